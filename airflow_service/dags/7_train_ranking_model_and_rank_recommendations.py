"""Rank every user's candidates from the lists of 3, 4 and 5 with CatBoost, and train that ranker once a month.

Ranks as soon as all three lists are new; first it waits for any of them that is still being made. Trains before ranking
on the 25th of each month at 23:45 UTC, when a person starts it (untick **Train** to rank only), and when the dataset
has no ranker yet.

The gate compares the new ranker with the one in service on the newest window of events. If the new one is worse by more
than the accepted margin, the run goes on with the old one and says "kept the champion", with both numbers.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, TriggerRule

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task, wait_task
from recsys.schema import Step

LISTS = [assets.DEFAULT, assets.PERSONALIZED, assets.I2I]

with pipeline_dag(
    "train_ranking_model_and_rank_recommendations",
    title="7 · Train ranking model and rank recommendations",
    doc=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("45 23 25 * *", timezone="UTC"),
        assets=assets.DEFAULT & assets.PERSONALIZED & assets.I2I,
    ),
    params={
        "train": Param(
            True, "Runs not started by assets train before they rank.", type="boolean", title="Train", section="Run"
        ),
        **params_for("ranker", "gate", "publish"),
    },
    tags=["model", "recommendations"],
):
    wait = wait_task(
        [Step.DEFAULT, Step.PERSONALIZED, Step.I2I],
        doc="Holds until the three lists are newer than the prepared dataset; after an hour goes on as is.",
    )
    train = step_task(
        Step.TRAIN_RANKER,
        doc="Candidates and features as of their time, targets from a later window → a CatBoost ranker in MLflow;"
        " the gate decides on publishing it.",
        reads=[assets.PREPARED_DATASET, *LISTS],
        writes=assets.RANKER,
        timeout=timedelta(hours=4),
        trains=True,
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    rank = step_task(
        Step.RANK,
        doc="Candidates of every user and the ranker in service → a new version of `ranked_recommendations`.",
        reads=[assets.PREPARED_DATASET, assets.RANKER, *LISTS],
        writes=assets.RANKED,
        timeout=timedelta(hours=2),
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    wait >> train >> rank

"""Train the ALS model of users' tastes and put it into service if the gate lets it pass.

Trains on the 25th of each month at 22:15 UTC, and whenever a person starts it. A newly prepared dataset starts it too:
then it trains only if that dataset has no model yet, and otherwise says that the model in service goes on, so that the
personalized recommendations after it are renewed every day.

The gate compares the new model with the one in service on the newest window of events. If the new one is worse by more
than the accepted margin, the run ends with "kept the champion" in its summary, with both numbers.
"""

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import model_task, pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "train_als_model",
    title="2 · Train ALS model",
    doc=__doc__,
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("15 22 25 * *", timezone="UTC"),
        assets=assets.PREPARED_DATASET,
    ),
    params=params_for("train_als", "gate"),
    tags=["model"],
):
    train = step_task(
        Step.TRAIN_ALS,
        doc="Prepared events → user and item factors, registered in MLflow; the gate decides on publishing them.",
        reads=[assets.PREPARED_DATASET],
        timeout=timedelta(hours=3),
        trains=True,
    )
    train >> model_task(Step.TRAIN_ALS, assets.ALS_MODEL)

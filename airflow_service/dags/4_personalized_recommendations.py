"""Make each known user's personal list with the ALS model in service.

Starts as soon as the model for a new prepared dataset is settled: trained anew, or confirmed to go on.
"""

from datetime import timedelta

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "prepare_personalized_recommendations",
    title="4 · Personalized recommendations",
    doc=__doc__,
    schedule=[assets.ALS_MODEL],
    params=params_for("personalized", "publish"),
    tags=["recommendations"],
):
    step_task(
        Step.PERSONALIZED,
        doc="Users' histories and the ALS model → a new version of `personalized_recommendations`.",
        reads=[assets.PREPARED_DATASET, assets.ALS_MODEL],
        writes=assets.PERSONALIZED,
        timeout=timedelta(hours=2),
    )

"""Make the lists shown to visitors nobody knows yet: what is popular now, in the whole shop and in each category.

Starts as soon as a new prepared dataset is there.
"""

from datetime import timedelta

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "prepare_default_recommendations",
    title="3 · Default recommendations",
    doc=__doc__,
    schedule=[assets.PREPARED_DATASET],
    params=params_for("default", "publish"),
    tags=["recommendations"],
):
    step_task(
        Step.DEFAULT,
        doc="Popularity that decays with time, of available items only → a new version of `default_recommendations`.",
        reads=[assets.PREPARED_DATASET],
        writes=assets.DEFAULT,
        timeout=timedelta(hours=1),
    )

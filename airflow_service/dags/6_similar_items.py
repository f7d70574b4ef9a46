"""Find the nearest neighbours of every item, for product pages and for the lists of pipeline 5.

Starts as soon as a new prepared dataset is there.
"""

from datetime import timedelta

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "prepare_similar_items_recommendations",
    title="6 · Similar items",
    doc=__doc__,
    schedule=[assets.PREPARED_DATASET],
    params=params_for("similar_items", "publish"),
    tags=["recommendations"],
):
    step_task(
        Step.SIMILAR_ITEMS,
        doc="What the same users looked at; items without events get neighbours by category and popularity"
        " → a new version of `similar_items`.",
        reads=[assets.PREPARED_DATASET],
        writes=assets.SIMILAR,
        timeout=timedelta(hours=2),
    )

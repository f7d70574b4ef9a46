"""Make for each user a list of neighbours of what they looked at lately, each with the item it is based on.

Starts as soon as new similar items are there.
"""

from datetime import timedelta

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "prepare_i2i_recommendations",
    title="5 · I2I recommendations for users",
    doc=__doc__,
    schedule=[assets.SIMILAR],
    params=params_for("i2i", "publish"),
    tags=["recommendations"],
):
    step_task(
        Step.I2I,
        doc="Users' recent items and their neighbours → a new version of `i2i_recommendations`.",
        reads=[assets.PREPARED_DATASET, assets.SIMILAR],
        writes=assets.I2I,
        timeout=timedelta(hours=2),
    )

"""Turn the shop's raw data into the prepared dataset that every other pipeline reads.

Reads the raw tables of the active dataset (loaded files and collected events), cleans them, works out what was known
of each item when, and writes the prepared dataset to the object store. **Start this one first:** the other six follow
by themselves, each as soon as what it reads is there.

Runs every day at 22:00 UTC.
"""

from datetime import timedelta

from airflow_service import assets
from airflow_service.params import params_for
from airflow_service.tasks import pipeline_dag, step_task
from recsys.schema import Step

with pipeline_dag(
    "prepare_datasets",
    title="1 · Prepare dataset",
    doc=__doc__,
    schedule="0 22 * * *",
    params=params_for("prepare_dataset", "event_weights", "publish"),
    tags=["dataset"],
):
    step_task(
        Step.PREPARE_DATASET,
        doc="Raw tables → `events`, `items`, `item_history`, `categories` and a profile as Parquet files.",
        writes=assets.PREPARED_DATASET,
        timeout=timedelta(hours=2),
    )

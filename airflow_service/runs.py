"""What an Airflow run means to a step: the name it writes under, and whether it trains a model."""

import logging
import re
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowSkipException

from recsys.errors import NotReadyError
from recsys.schema import Step

if TYPE_CHECKING:
    from recsys.pipeline.context import RunContext

log = logging.getLogger(__name__)


def step_run_id(dag_run_id: str) -> str:
    """Airflow's run id in letters that are safe in object keys; running the same DAG run again gives the same."""
    return re.sub(r"[^A-Za-z0-9_.-]", "-", dag_run_id)


def skip_unless_due(step: Step, context: "RunContext", run_type: str, *, wanted: bool) -> None:
    """Let training go on when the calendar or a person started the run, or when there is no model at all yet.

    Runs started by assets come every day; they train only the first model of a dataset.

    Args:
        wanted: the param `train`; a person unticks it to go on with the model in service.

    Raises:
        AirflowSkipException: the model in service stays; the tasks after this one go on.
    """
    try:
        model = context.newest_output(step)
    except NotReadyError:
        log.info("Dataset %s has no model of %s yet: training the first.", context.dataset, step)
        return
    if run_type == "asset_triggered" or not wanted:
        raise AirflowSkipException(f"Not due: {model} stays in service.")

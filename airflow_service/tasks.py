"""Builds DAGs and their tasks from the steps of `recsys.pipeline`: one task calls one step."""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import DAG, Asset, ExceptionRetryPolicy, PokeReturnValue, RetryAction, RetryRule, TriggerRule, task

from airflow_service.callbacks import notify_failure, notify_success
from airflow_service.params import overrides
from airflow_service.report import lines
from airflow_service.runs import skip_unless_due, step_run_id
from recsys.errors import RecsysError, UnavailableError
from recsys.schema import Step
from recsys.settings import PipelineSettings, ScheduleSettings, load

if TYPE_CHECKING:
    from recsys.pipeline.context import RunContext

log = logging.getLogger(__name__)

# A server that is away may come back; wrong data, a missing input or a wrong setting stays so however often we try.
RETRY_POLICY = ExceptionRetryPolicy(
    rules=[
        RetryRule(exception=UnavailableError, action=RetryAction.RETRY, reason="A server did not answer."),
        RetryRule(exception=RecsysError, action=RetryAction.FAIL, reason="Trying again cannot help."),
    ]
)


def pipeline_dag(dag_id: str, *, title: str, doc: str | None, **options: Any) -> DAG:
    """A DAG with what all seven have in common; `options` are its schedule, params and tags."""
    return DAG(
        dag_id,
        dag_display_name=title,
        description=(doc or "").partition("\n")[0],
        doc_md=doc,
        start_date=load(ScheduleSettings).start_date,
        catchup=False,
        max_active_runs=1,
        dagrun_timeout=timedelta(hours=12),
        # The DAGs start each other by their assets: one that is paused breaks the chain.
        is_paused_upon_creation=False,
        default_args={
            "owner": "recsys",
            "retries": 3,
            "retry_delay": timedelta(minutes=1),
            "retry_exponential_backoff": 2,
            "max_retry_delay": timedelta(minutes=15),
            "retry_policy": RETRY_POLICY,
        },
        on_success_callback=notify_success,
        on_failure_callback=notify_failure,
        **options,
    )


def _context(run_id: str, params: Mapping[str, Any]) -> "RunContext":
    from recsys.pipeline.context import RunContext

    return RunContext.create(step_run_id(run_id), load(PipelineSettings, **overrides(params)))


def step_task(
    step: Step,
    *,
    doc: str,
    timeout: timedelta,
    reads: Sequence[Asset] = (),
    writes: Asset | None = None,
    trains: bool = False,
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS,
) -> Any:
    """Add the task that runs `step`; its summary is logged, returned, and attached to the event of what it `writes`.

    Args:
        trains: skip the step unless this run is one that trains, see `skip_unless_due`.
    """

    @task(
        task_id=str(step),
        doc_md=doc,
        inlets=list(reads),
        outlets=[writes] if writes else [],
        show_return_value_in_logs=False,
        execution_timeout=timeout,
        trigger_rule=trigger_rule,
    )
    def run(*, run_id: str, dag_run: Any, params: dict[str, Any], outlet_events: Any) -> dict[str, Any]:
        from recsys.pipeline.run import run_step

        context = _context(run_id, params)
        if trains:
            skip_unless_due(step, context, dag_run.run_type, wanted=params.get("train", True))
        summary = run_step(step, context).as_dict()
        for line in lines(summary):
            log.info("%s", line)
        if writes:
            outlet_events[writes].extra = summary
        return summary

    return run()  # type: ignore[call-arg]


def model_task(step: Step, asset: Asset) -> Any:
    """Add the task that says which model of `step` serves from now on, be it new or the one before."""

    @task(
        task_id=asset.name,
        doc_md="Names the model in service, so that what reads it starts, whether or not it was trained in this run.",
        outlets=[asset],
        execution_timeout=timedelta(minutes=5),
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    def say(*, run_id: str, params: dict[str, Any], ti: Any, outlet_events: Any) -> dict[str, Any]:
        trained = ti.xcom_pull(task_ids=str(step))
        summary = trained or {"output": _context(run_id, params).newest_output(step), "trained": "in an earlier run"}
        outlet_events[asset].extra = summary
        return summary

    return say()  # type: ignore[call-arg]


def wait_task(steps: Sequence[Step], *, doc: str) -> Any:
    """Add the task that waits until `steps` have run on the newest prepared dataset; it gives up after an hour."""

    @task.sensor(
        task_id="wait_for_lists",
        doc_md=doc,
        execution_timeout=timedelta(minutes=5),
        poke_interval=30,
        timeout=3600,
        mode="reschedule",
        soft_fail=True,
    )
    def wait(*, run_id: str, params: dict[str, Any]) -> PokeReturnValue:
        from recsys.pipeline import history

        late = history.out_of_date(_context(run_id, params), steps, Step.PREPARE_DATASET)
        if late:
            log.info("Still waiting for %s.", ", ".join(late))
        return PokeReturnValue(is_done=not late)

    return wait()  # type: ignore[call-arg]

"""Reads `ops.step_runs`, the log that every step writes: what a run did, and whether results are up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from recsys.pipeline.context import RunContext
from recsys.schema import Step
from recsys.settings import PostgresSettings
from recsys.storage import postgres


@dataclass(frozen=True)
class StepOutcome:
    """How one step of a run ended.

    Attributes:
        status: `running`, `succeeded` or `failed`.
        summary: `StepSummary.as_dict()`, or `{"error": …}` of a failed step.
    """

    step: str
    status: str
    summary: dict[str, Any]


@dataclass(frozen=True)
class Success:
    """The newest success of a step; `summary` is `StepSummary.as_dict()`."""

    run_id: str
    finished_at: datetime
    summary: dict[str, Any]


def newest_success(context: RunContext, step: Step) -> Success | None:
    """What the newest run of `step` that succeeded on this dataset recorded; None if there is none."""
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(
            "select run_id, finished_at at time zone 'UTC', summary from ops.step_runs"
            " where dataset = %s and step = %s and status = 'succeeded' order by finished_at desc limit 1",
            (context.dataset, str(step)),
        )
        row = cursor.fetchone()
    return Success(*row) if row else None


def outcomes(settings: PostgresSettings, run_id: str, steps: Sequence[Step]) -> list[StepOutcome]:
    """What a run has recorded of `steps` so far, in the order they started."""
    with postgres.transaction(settings) as cursor:
        cursor.execute(
            "select step, status, summary from ops.step_runs where run_id = %s and step = any(%s) order by started_at",
            (run_id, [str(step) for step in steps]),
        )
        return [StepOutcome(*row) for row in cursor.fetchall()]


def out_of_date(context: RunContext, steps: Sequence[Step], source: Step) -> list[Step]:
    """Those of `steps` whose newest success is older than the newest success of `source`, or missing."""
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(
            "select step, max(finished_at) from ops.step_runs"
            " where dataset = %s and status = 'succeeded' and step = any(%s) group by step",
            (context.dataset, [str(step) for step in (*steps, source)]),
        )
        newest = dict(cursor.fetchall())
    made = newest.get(str(source))
    return [step for step in steps if str(step) not in newest or (made is not None and newest[str(step)] < made)]

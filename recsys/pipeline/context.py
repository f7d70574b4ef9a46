"""What every step is given, and what every step gives back."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recsys.errors import NotReadyError
from recsys.schema import Step
from recsys.settings import MlflowSettings, ObjectStoreSettings, PipelineSettings, PostgresSettings, load
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from recsys.storage.workspace import workspace


@dataclass(frozen=True)
class StepSummary:
    """What a step did, for its log, its asset event and the dashboards.

    Attributes:
        output: where the result is: an object key prefix, or `table:version`.
        rows: counts by name.
        metrics: measurements by name.
    """

    step: Step
    output: str
    rows: dict[str, int] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON, the form that Postgres and Airflow keep."""
        return {
            "step": str(self.step),
            "output": self.output,
            "rows": self.rows,
            "metrics": self.metrics,
            **self.notes,
        }


@dataclass(frozen=True)
class RunContext:
    """One run of the pipeline on one dataset. Everything a step writes carries `run_id`, so a re-run replaces it."""

    run_id: str
    dataset: str
    settings: PipelineSettings
    postgres: PostgresSettings
    store: ObjectStore
    mlflow: MlflowSettings

    @classmethod
    def create(cls, run_id: str, settings: PipelineSettings | None = None) -> "RunContext":
        """Read all settings and resolve the dataset: `settings.dataset`, else the active one.

        What `recsys tune` found for the dataset stands in for settings that are left at their defaults.

        Raises:
            NotReadyError: nothing has been loaded yet, or that dataset does not exist.
        """
        settings = settings or load(PipelineSettings)
        database = load(PostgresSettings)
        with postgres.transaction(database) as cursor:
            if settings.dataset is None:
                cursor.execute("select name from raw.datasets where is_active")
            else:
                cursor.execute("select name from raw.datasets where name = %s", (settings.dataset,))
            row = cursor.fetchone()
            cursor.execute("select step, setting, value from ops.tuned_settings where dataset = %s", row or (None,))
            tuned = cursor.fetchall()
        if row is None:
            raise NotReadyError(
                f"There is no dataset {settings.dataset!r}." if settings.dataset else "No dataset has been loaded yet.",
                remedy="Load one with `recsys load SOURCE PATH`.",
            )
        settings = settings.with_tuned(tuned)
        return cls(run_id, row[0], settings, database, ObjectStore(load(ObjectStoreSettings)), load(MlflowSettings))

    def newest_output(self, step: Step) -> str:
        """Where the newest successful run of `step` left its result.

        Raises:
            NotReadyError: that step has never succeeded on this dataset.
        """
        with postgres.transaction(self.postgres) as cursor:
            cursor.execute(
                "select output from ops.step_runs where dataset = %s and step = %s and status = 'succeeded'"
                " order by finished_at desc limit 1",
                (self.dataset, str(step)),
            )
            row = cursor.fetchone()
        if row is None:
            raise NotReadyError(
                f"Step {step} has not succeeded yet on dataset {self.dataset!r}.",
                remedy=f"Run it first: `recsys run {step}`.",
            )
        return str(row[0])

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for this step's temporary files, removed at the end, or by the next step if this one is killed."""
        with workspace() as folder:
            yield folder

    def record_start(self, step: Step) -> None:
        """Note that the step is running; a re-run of the same run starts it anew."""
        with postgres.transaction(self.postgres) as cursor:
            cursor.execute(
                "insert into ops.step_runs (dataset, run_id, step, status) values (%s, %s, %s, 'running')"
                " on conflict (dataset, run_id, step) do update"
                " set status = 'running', started_at = now(), finished_at = null, output = null, summary = '{}'",
                (self.dataset, self.run_id, str(step)),
            )

    def record_end(self, step: Step, summary: StepSummary | None, error: BaseException | None = None) -> None:
        """Note the outcome of the step."""
        details = summary.as_dict() if summary else {"error": f"{type(error).__name__}: {error}"}
        with postgres.transaction(self.postgres) as cursor:
            cursor.execute(
                "update ops.step_runs set status = %s, finished_at = now(), output = %s, summary = %s"
                " where dataset = %s and run_id = %s and step = %s",
                (
                    "succeeded" if summary else "failed",
                    summary.output if summary else None,
                    json.dumps(details, default=str),
                    self.dataset,
                    self.run_id,
                    str(step),
                ),
            )

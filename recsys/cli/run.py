"""`recsys run`: the pipeline without Airflow."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from recsys.cli import app, console
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import STEPS, run_step
from recsys.schema import Step
from recsys.settings import PipelineSettings, load
from recsys.storage import postgres


@app.command()
def run(
    steps: Annotated[list[Step] | None, typer.Argument(help="Steps to run; none means all, in order.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Dataset to work on; default: the active one.")] = None,
    now: Annotated[str | None, typer.Option(help="ISO time taken as the present; default: the newest event.")] = None,
    run_id: Annotated[str | None, typer.Option(help="Name of the run; running it again replaces its results.")] = None,
) -> None:
    """Run pipeline steps here, in this process, without Airflow."""
    given = {key: value for key, value in {"dataset": dataset, "now": now}.items() if value is not None}
    settings = load(PipelineSettings, **given)
    context = RunContext.create(run_id or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}", settings)
    postgres.migrate(context.postgres)
    context.store.wait(console.print)
    table = Table("step", "seconds", "output", "rows", "metrics", title=f"run {context.run_id} on {context.dataset}")
    for step in steps or list(STEPS):
        started = datetime.now(UTC)
        with console.status(f"{step} …"):
            summary = run_step(step, context)
        seconds = (datetime.now(UTC) - started).total_seconds()
        table.add_row(
            str(step),
            f"{seconds:.1f}",
            summary.output,
            " ".join(f"{name}={count:,}" for name, count in summary.rows.items()),
            " ".join(f"{name}={value:.4g}" for name, value in summary.metrics.items()),
        )
    console.print(table)

"""`recsys run`: the pipeline without Airflow."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.padding import Padding

from recsys.cli import app, console
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import STEPS, run_step
from recsys.schema import Step
from recsys.settings import PipelineSettings, PostgresSettings, load
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
    postgres.migrate(load(PostgresSettings))
    context = RunContext.create(run_id or f"manual-{datetime.now(UTC):%Y%m%dT%H%M%S}", settings)
    context.store.wait(console.print)
    console.print(f"Run {context.run_id} on dataset {context.dataset!r}")
    for step in steps or list(STEPS):
        started = time.monotonic()
        with console.status(f"{step} …"):
            summary = run_step(step, context)
        console.print(f"[green]✔[/] [bold]{step}[/] {time.monotonic() - started:.1f} s → {summary.output}")
        _show("rows", {name: f"{count:,}" for name, count in summary.rows.items()})
        _show("metrics", {name: f"{value:.4g}" for name, value in summary.metrics.items()})


def _show(title: str, figures: dict[str, str]) -> None:
    if figures:
        text = ", ".join(f"{name} {value}" for name, value in figures.items())
        console.print(Padding(f"[dim]{title}:[/] {text}", (0, 0, 0, 2)), highlight=False)

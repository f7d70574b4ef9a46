"""`recsys versions` and `recsys rollback`: what is in service, and going back to what was."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.table import Table

from recsys.cli import app, console
from recsys.pipeline.context import RunContext
from recsys.publishing import pointer
from recsys.schema import RecommendationTable
from recsys.settings import PipelineSettings, load

Dataset = Annotated[str | None, typer.Option(help="Whose tables; default: the active dataset.")]


@app.command()
def versions(
    table: Annotated[RecommendationTable | None, typer.Argument(help="Only this table.")] = None,
    dataset: Dataset = None,
) -> None:
    """List the published versions that can be served; the active one of each table is marked."""
    context = _context(dataset)
    shown = Table(
        "table", "version", "active", "keys", "items", "size", "age", "run", title=f"dataset {context.dataset}"
    )
    for info in pointer.list_versions(context.postgres, context.dataset, table):
        age = datetime.now(UTC) - info.published_at
        shown.add_row(
            info.table,
            str(info.version),
            "●" if info.is_active else "",
            f"{info.keys:,}",
            f"{info.items:,}",
            decimal(info.bytes),
            str(age).split(".")[0],
            info.run_id,
            style="bold" if info.is_active else None,
        )
    console.print(shown)


@app.command()
def rollback(
    table: Annotated[RecommendationTable | None, typer.Argument(help="None rolls all of them back, together.")] = None,
    to: Annotated[int | None, typer.Option(help="The version; default: the newest before the active one.")] = None,
    dataset: Dataset = None,
) -> None:
    """Put an earlier version back into service; the service follows within a second or two."""
    context = _context(dataset)
    for step in pointer.rollback(context.postgres, context.dataset, table, to):
        console.print(f"{step.table}: {step.from_version} → {step.to_version}", highlight=False)


def _context(dataset: str | None) -> RunContext:
    return RunContext.create("versions", load(PipelineSettings, **({"dataset": dataset} if dataset else {})))

"""`recsys backtest`: the ranker on past windows, against the lists it chooses from."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.cli import app, console
from recsys.settings import PipelineSettings, load

_PRINTED = ("ndcg@10", "recall@10")


@app.command()
def backtest(
    source: Annotated[
        str | None, typer.Argument(help="retailrocket or online_retail; default: what is loaded.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="The source's files.")] = None,
    windows: Annotated[int, typer.Option(min=1, help="Windows to judge, each as long as the gate's.")] = 3,
    skip: Annotated[int, typer.Option(min=0, help="Newest windows to leave alone, for choosing settings.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
) -> None:
    """Train the ranker as of several past moments and judge it by what shoppers did next."""
    from recsys.pipeline.backtest import CANDIDATES_RECALL, ITEMS_SHOWN, RANKED, gains
    from recsys.pipeline.backtest import backtest as run
    from recsys.pipeline.shop import open_shop

    settings = load(PipelineSettings)
    with console.status("Replaying …"), open_shop(source, data, settings) as (shop, now):
        report = run(source or "current", shop, now, settings, windows, skip=skip)
    title = f"{report.users:,} users of {windows} windows; ± is half a 95 % interval"
    table = Table("list", *_PRINTED, "items in the first ten", title=title)
    for name, result in report.models.items():
        halves = {metric: (high - low) / 2 for metric, (low, high) in result.intervals.items()}
        values = (f"{result.values[metric]:.4f} ±{halves[metric]:.4f}" for metric in _PRINTED)
        table.add_row(name, *values, f"{result.values[ITEMS_SHOWN]:,.0f}")
    console.print(table)
    for metric in _PRINTED:
        best, relative, low, high = gains(report, metric)
        console.print(
            f"{metric}: {relative:+.1%} over {best}, the best source; difference {low:+.4f} to {high:+.4f} (95 %)",
            highlight=False,
        )
    console.print(f"Recall of all candidates: {report.models[RANKED].values[CANDIDATES_RECALL]:.4f}", highlight=False)
    if json_file is not None:
        report.to_json(json_file)

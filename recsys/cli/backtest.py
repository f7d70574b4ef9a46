"""`recsys backtest`: the ranker on past windows, against the lists it chooses from."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from recsys.cli import app, console
from recsys.settings import PipelineSettings, load


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
    from recsys.pipeline.backtest import CANDIDATES, CEILING, METRICS
    from recsys.pipeline.backtest import backtest as run
    from recsys.pipeline.shop import open_shop

    settings = load(PipelineSettings)
    with console.status("Replaying …"), open_shop(source, data, settings) as (shop, now):
        result = run(shop, now, settings, windows, skip=skip)
    table = Table("list", *METRICS, "items in the first ten", title=f"{result.users:,} users of {windows} windows")
    for name, values in result.values.items():
        if name != CANDIDATES:
            table.add_row(name, *(f"{values[metric]:.4f}" for metric in METRICS), f"{result.coverage[name]:,.0f}")
    console.print(table)
    for metric, gain in result.gains.items():
        console.print(
            f"{metric}: {gain['relative']:+.1%} over {gain['source']}, the best source;"
            f" difference {gain['low']:+.4f} to {gain['high']:+.4f} (95 %)",
            highlight=False,
        )
    console.print(f"Recall of all candidates: {result.values[CANDIDATES][CEILING]:.4f}", highlight=False)
    if json_file is not None:
        json_file.write_text(json.dumps(asdict(result), indent=2) + "\n")

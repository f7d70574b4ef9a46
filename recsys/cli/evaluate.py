"""`recsys evaluate DATASET`: models side by side on one dataset."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from recsys.cli import app
from recsys.console import console, progress
from recsys.errors import BadInputError


@app.command()
def evaluate(
    dataset: Annotated[str, typer.Argument(help="gowalla or beauty.")],
    data: Annotated[Path, typer.Option(help="The folder with its files, or with a folder of its name.")],
    models: Annotated[str, typer.Option(help="Names, separated by commas.")] = "popularity,item_to_item,als",
    k: Annotated[str, typer.Option("--k", help="Cutoffs, separated by commas.")] = "10,20",
    side: Annotated[str, typer.Option(help="test, or validation for choosing parameters.")] = "test",
    param: Annotated[
        list[str] | None, typer.Option("--param", help="A model's parameter: als.factors=128. May be repeated.")
    ] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
) -> None:
    """Fit models on a dataset's training side and judge them on its test side, the full catalogue ranked."""
    from recsys.evaluation.compare import evaluate as compare
    from recsys.evaluation.protocols.base import Side

    with progress() as say:
        report = compare(
            dataset,
            [name.strip() for name in models.split(",")],
            [int(cutoff) for cutoff in k.split(",")],
            folder=data,
            side=Side(side),
            parameters=_parameters(param or []),
            say=say,
        )
    if json_file is not None:
        report.to_json(json_file)
    console.print(report.table())


def _parameters(given: list[str]) -> dict[str, dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for text in given:
        place, equals, value = text.partition("=")
        model, dot, name = place.partition(".")
        if not (equals and dot and model and name):
            raise BadInputError(f"--param {text!r} names no parameter.", remedy="Write it like als.factors=128.")
        parameters.setdefault(model, {})[name] = _value(value)
    return parameters


def _value(text: str) -> Any:
    """A number, true, false or null as JSON has them; anything else is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text

"""`recsys evaluate DATASET`: models side by side on one dataset."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from recsys.cli import app
from recsys.console import console, errors, progress
from recsys.errors import BadInputError, UnavailableError
from recsys.settings import MlflowSettings, load

if TYPE_CHECKING:
    from recsys.evaluation.datasets.base import EvaluationData
    from recsys.evaluation.report import EvaluationReport

CURRENT = "current"


@app.command()
def evaluate(
    dataset: Annotated[
        str,
        typer.Argument(
            help="gowalla, beauty, retailrocket, online_retail, complete_journey, simulator; "
            "or current: what step 1 last prepared of the active dataset."
        ),
    ],
    data: Annotated[
        Path | None, typer.Option(help="Folder with the dataset's files, or with a folder of its name.")
    ] = None,
    models: Annotated[
        str,
        typer.Option(help="Names, separated by commas; an unknown one lists all. Of shops also ranked and candidates."),
    ] = "popularity,item_to_item,als",
    k: Annotated[str, typer.Option("--k", help="Cutoffs, separated by commas.")] = "10,20",
    protocol: Annotated[
        str | None, typer.Option(help="time, session, fixed or leave_last_out; default: the dataset's own.")
    ] = None,
    window_days: Annotated[float | None, typer.Option(help="Length of the window of time and session.", min=0)] = None,
    validation: Annotated[
        bool, typer.Option("--validation", help="Judge on the validation side: the one to choose parameters by.")
    ] = False,
    param: Annotated[
        list[str] | None, typer.Option(help="A model's parameter: als.factors=128; may be given many times.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What differences and plots show; default: ndcg.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
    plots: Annotated[Path | None, typer.Option(help="Also write plots (PNG) into this folder.")] = None,
    mlflow: Annotated[
        bool | None,
        typer.Option("--mlflow/--no-mlflow", help="Log a run for each model; default: if MLflow answers."),
    ] = None,
) -> None:
    """Fit models on what a dataset's protocol shows, and judge them by what it hides, the full catalogue ranked."""
    from recsys.evaluation.bench import metric_names
    from recsys.evaluation.compare import evaluate as compare
    from recsys.evaluation.compare import made
    from recsys.evaluation.datasets import known
    from recsys.evaluation.protocols.base import Side
    from recsys.evaluation.protocols.known import choose
    from recsys.ranking.ranked_list import RANKED_LISTS, make_ranked

    cutoffs, parameters = _cutoffs(k), _parameters(param or [])
    shown = metric or f"ndcg@{cutoffs[0]}"
    if shown not in metric_names(cutoffs):
        raise BadInputError(
            f"--metric {shown!r} is not measured.", remedy=f"The metrics are: {', '.join(metric_names(cutoffs))}."
        )
    names = [name.strip() for name in models.split(",") if name.strip()]
    ranked = [name for name in names if name in RANKED_LISTS]
    others = [name for name in names if name not in ranked]
    rest = {name: given for name, given in parameters.items() if name not in ranked}
    chosen = made(others, rest) if others or rest or not ranked else {}
    with progress() as say:
        say("Reading the data")
        content = _current() if dataset == CURRENT else known.read(dataset, data)
        chosen |= {name: make_ranked(name, content, **parameters.get(name, {})) for name in ranked}
        report = compare(
            content,
            {name: chosen[name] for name in names},
            cutoffs,
            protocol=choose(content, protocol, window_days),
            side=Side.VALIDATION if validation else Side.TEST,
            say=say,
        )
    if json_file is not None:
        report.to_json(json_file)
    _show(report, shown)
    if plots is not None:
        for path in report.save_plots(plots, shown):
            console.print(f"Wrote {path}", highlight=False, soft_wrap=True)
    if mlflow is not False:
        _log(report, parameters, must=bool(mlflow))
    for name, error in report.failed.items():
        errors.print(f"{name} could not be measured: {error}", highlight=False, markup=False, soft_wrap=True)
    if report.failed:
        raise typer.Exit(1)


def _current() -> "EvaluationData":
    from recsys.dataset.prepared import PreparedDataset
    from recsys.evaluation.datasets.shops import from_prepared
    from recsys.pipeline.context import RunContext
    from recsys.schema import Step

    context = RunContext.create("evaluate")
    with context.workspace() as folder:
        prefix = context.newest_output(Step.PREPARE_DATASET)
        return from_prepared(context.dataset, PreparedDataset.fetch(context.store, prefix, folder))


def _cutoffs(text: str) -> list[int]:
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise BadInputError(f"--k {text!r} are not cutoffs.", remedy="Write whole numbers from 1: --k 10,20.")
    return sorted({int(word) for word in words})


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


def _show(report: "EvaluationReport", metric: str) -> None:
    names = list(report.models)
    console.print(
        f"{report.dataset}, protocol {report.protocol}, {report.side}: {report.users:,} judged; "
        "± is half a 95 % interval.",
        highlight=False,
        soft_wrap=True,
    )
    table = Table("", *names)
    rows = report.table().drop("model")
    for name in rows.columns:
        table.add_row(
            name, *(_cell(report, model, name, value) for model, value in zip(names, rows[name], strict=True))
        )
    console.print(table)
    apart = Table("segment", "users", *names, title=metric)
    for segment, rows in next(iter(report.models.values())).segments.items():
        values = [f"{result.of_segment(segment, metric):.4f}" for result in report.models.values()]
        apart.add_row(segment, f"{rows.height:,}", *values)
    console.print(apart)
    for model, best, difference, low, high in report.differences(metric).rows():
        console.print(f"{metric}: {model} - {best} = {difference:+.4f} [{low:+.4f}, {high:+.4f}]", markup=False)


def _cell(report: "EvaluationReport", model: str, name: str, value: float) -> str:
    interval = report.models[model].intervals.get(name)
    if interval is None:
        return f"{value:.2f}" if name.endswith("_s") else f"{value:.4f}"
    return f"{value:.4f} ±{(interval[1] - interval[0]) / 2:.4f}"


def _log(report: "EvaluationReport", parameters: dict[str, dict[str, Any]], *, must: bool) -> None:
    from recsys.evaluation.experiments import log_report

    try:
        runs = log_report(report, load(MlflowSettings), parameters)
    except UnavailableError as error:
        if must:
            raise
        console.print(f"Not logged to MLflow: {error.message}", highlight=False, markup=False, soft_wrap=True)
        return
    console.print(f"Logged {len(runs)} runs to MLflow.", highlight=False)

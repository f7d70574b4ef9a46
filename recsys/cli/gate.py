"""`recsys gate`: what the gate last decided on each model, and why."""

from typing import Annotated, Any

import typer
from rich.table import Table

from recsys.cli import app, console
from recsys.errors import NotReadyError
from recsys.pipeline.context import RunContext
from recsys.pipeline.history import Success, newest_success
from recsys.schema import Step
from recsys.settings import PipelineSettings, load

GATED = {"als": Step.TRAIN_ALS, "ranker": Step.TRAIN_RANKER}


@app.command()
def gate(
    explain: Annotated[bool, typer.Option("--explain", help="Also say what each decision was made by.")] = False,
    dataset: Annotated[str | None, typer.Option(help="Whose models; default: the active dataset.")] = None,
) -> None:
    """Show the newest decision on each model: published, or the champion kept."""
    context = RunContext.create("gate", load(PipelineSettings, **({"dataset": dataset} if dataset else {})))
    decisions = {model: newest_success(context, step) for model, step in GATED.items()}
    made = {model: success for model, success in decisions.items() if success is not None}
    if not made:
        raise NotReadyError(
            f"No model of dataset {context.dataset!r} has come to the gate yet.",
            remedy=f"Train one: `recsys run {Step.TRAIN_ALS}`.",
        )
    if explain:
        for model, success in made.items():
            console.print(_explained(f"{model}-{context.dataset}", success))
            console.print(f"MLflow: {success.summary['mlflow']}", soft_wrap=True, highlight=False)
        return
    shown = Table("model", "decision", "metric", "challenger", "champion", "users", "when", title=context.dataset)
    for model, success in made.items():
        report = success.summary
        shown.add_row(
            model,
            report["decision"],
            report["metric"],
            _number(report["challenger"]),
            _number(report["champion"]),
            f"{report['users']:,}",
            f"{success.finished_at:%Y-%m-%d %H:%M}",
        )
    console.print(shown)


def _explained(model: str, success: Success) -> Table:
    report = success.summary
    rows = {
        "decision": f"{report['decision']}, because {report['reason']}",
        f"challenger's {report['metric']}": f"{_number(report['challenger'])} (version {report['trained_version']})",
        f"champion's {report['metric']}": _champion(report),
        "difference": _difference(report),
        "margin": f"the challenger may lose {report['max_relative_loss']:.1%} of the champion's value",
        "users judged": f"{report['users']:,}",
        "in service": f"version {report['champion_version']}",
        "run": f"{success.run_id}, {success.finished_at:%Y-%m-%d %H:%M} UTC",
    }
    shown = Table("", "", title=model, show_header=False, title_justify="left")
    for name, value in rows.items():
        shown.add_row(name, value, style="bold" if name == "decision" else None)
    return shown


def _champion(report: dict[str, Any]) -> str:
    if report["champion"] is None:
        return "none to compare with"
    return f"{_number(report['champion'])} (version {report['judged_against']})"


def _difference(report: dict[str, Any]) -> str:
    if report["difference_95"] is None:
        return "-"
    low, high = report["difference_95"]
    return f"{report['challenger'] - report['champion']:+.4f}, 95 % interval over users {low:+.4f} to {high:+.4f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"

"""`recsys up`, `down`, `status`, `logs`, `clean`: the embedded stack."""

import os
import shutil
from datetime import timedelta
from typing import Annotated

import typer
from rich.table import Table

from recsys.cli import app
from recsys.console import console, progress
from recsys.errors import BadInputError
from recsys.settings import env_file, home, load
from recsys.stack import lifecycle, supervisor
from recsys.stack.services import BY_NAME, SERVICES
from recsys.stack.settings import StackSettings


@app.command()
def up() -> None:
    """Start Postgres, S3, MLflow, Airflow and the API on this machine; what runs already is left alone."""
    with progress() as say:
        lifecycle.up(say)
    _table(load(StackSettings))


@app.command()
def down() -> None:
    """Stop everything that `recsys up` started; the data stays."""
    with progress() as say:
        lifecycle.down(say)
    console.print("Everything is stopped.")


@app.command()
def status() -> None:
    """Show each program with its state, address and uptime; exits 1 when one does not work."""
    if not _table(load(StackSettings)):
        raise typer.Exit(1)


@app.command()
def logs(
    name: Annotated[str, typer.Argument(help="A program named by `recsys status`.")],
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many of the last lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing what is added.")] = False,
) -> None:
    """Print the end of a program's log."""
    if name not in BY_NAME:
        raise BadInputError(f"There is no program {name!r}.", remedy=f"The names are {', '.join(BY_NAME)}.")
    path = str(supervisor.logs() / f"{name}.log")
    os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), path])  # noqa: S606


@app.command()
def clean(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop everything and delete all state of the embedded stack: databases, objects, models, secrets, logs."""
    folder = home().absolute()
    if not env_file().exists():
        # Without the file that `recsys up` writes, the folder may be anybody's.
        console.print(f"There is no state to delete in {folder}.")
        return
    if not yes:
        typer.confirm(f"Delete all state in {folder}?", abort=True)
    lifecycle.down(console.print)
    shutil.rmtree(folder)
    console.print(f"Deleted {folder}.")


def _table(settings: StackSettings) -> bool:
    """Print the state of all programs; whether all of them work."""
    states = supervisor.states()
    table = Table("program", "state", "address", "uptime", box=None, pad_edge=False)
    healthy = True
    for service in SERVICES:
        trouble = lifecycle.problem(service, settings)
        healthy = healthy and trouble is None
        uptime = timedelta(seconds=states[service.name].uptime_s) if service.name in states else ""
        table.add_row(
            service.name,
            "[green]works[/]" if trouble is None else f"[red]{trouble}[/]",
            service.address(settings),
            str(uptime),
        )
    console.print(table)
    return healthy

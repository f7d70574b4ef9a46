"""`recsys …`: one file per group of commands."""

import importlib
import logging
import sys

import typer
from rich.console import Console

from recsys.errors import RecsysError

console = Console()
errors = Console(stderr=True)


class _Cli(typer.Typer):
    """Prints our own errors as one clear line instead of a traceback."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        try:
            return super().__call__(*args, **kwargs)
        except RecsysError as error:
            errors.print(f"[bold red]Error:[/] {error.message}", highlight=False, markup=True)
            if error.remedy:
                errors.print(f"[bold]What to do:[/] {error.remedy}", highlight=False)
            sys.exit(1)


app = _Cli(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens inside.")) -> None:
    """The recommender suite: load a shop's data, run the pipelines, watch versions, start and stop the stack."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


# Each module adds its commands to `app` (or a group of its own) when imported.
for _module in ("load", "run", "versions", "stack", "bench"):
    importlib.import_module(f"recsys.cli.{_module}")

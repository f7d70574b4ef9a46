"""`recsys …`: one file per group of commands."""

import importlib
import logging

import typer

from recsys.console import console, errors, plain_errors

__all__ = ["app", "console", "errors"]


class _Cli(typer.Typer):
    """Prints our own errors as one clear line instead of a traceback."""

    def __call__(self, *args: object, **kwargs: object) -> object:
        with plain_errors():
            return super().__call__(*args, **kwargs)


app = _Cli(no_args_is_help=True, add_completion=False, pretty_exceptions_show_locals=False)


@app.callback()
def main(verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens inside.")) -> None:
    """The recommender suite: load a shop's data, run the pipelines, watch versions, start and stop the stack."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


# Each module adds its commands to `app` (or a group of its own) when imported.
_MODULES = "load run evaluate gate backtest tune versions stack demo compose bench keys"
for _module in _MODULES.split():
    importlib.import_module(f"recsys.cli.{_module}")

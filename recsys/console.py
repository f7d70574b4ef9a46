"""What every command line shares: where it prints, and how an error of ours ends it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from recsys.errors import RecsysError

# In a file or a pipe nobody knows the width; 80 columns would cut names that the next command needs.
PIPE_WIDTH = 160
console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
errors = Console(stderr=True, width=None if sys.stderr.isatty() else PIPE_WIDTH)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print our own errors as one clear line instead of a traceback, and exit with 1."""
    try:
        yield
    except RecsysError as error:
        errors.print("[bold red]Error:[/]", end=" ")
        errors.print(error.message, markup=False, highlight=False)
        if error.remedy:
            errors.print("[bold]What to do:[/]", end=" ")
            errors.print(error.remedy, markup=False, highlight=False)
        sys.exit(1)

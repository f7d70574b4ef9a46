"""What every command line shares: where it prints, and how an error of ours ends it."""

import sys
from collections.abc import Callable, Iterator
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


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line that says what is being done: a spinner on a terminal, one line for each change in a log."""
    if console.is_terminal:
        with console.status("…") as line:
            yield line.update
        return
    said = ""

    def say(text: str) -> None:
        nonlocal said
        if text != said:
            console.print(text, highlight=False, markup=False, soft_wrap=True)
        said = text

    yield say

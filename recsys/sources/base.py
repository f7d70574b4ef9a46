"""One interface for everything a shop's data can come from.

A *source* (RetailRocket, a simulator …) has *inputs* (its files); an input yields *chunks*: frames for the raw tables,
and the rows that were rejected, with reasons. `loader.py` does the rest, the same way for every source.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from recsys.schema import RawTable

# Columns that readers and rules add to a file's own.
LINE = "_line"
REASON = "_reason"
SURPLUS = "_surplus"  # what a row has beyond the header's columns; a rule rejects such rows


@dataclass(frozen=True)
class Chunk:
    """Some rows of an input.

    Attributes:
        accepted: per raw table, rows with (some of) that table's columns; never `load_id`.
        rejected: columns `_line` (1 is the first line of the file), `_reason`, then the file's own columns as text;
            None when no row was rejected.
        position: how much of the input has been read, in the unit of `Input.size`.
    """

    accepted: dict[RawTable, pl.DataFrame]
    rejected: pl.DataFrame | None
    position: int


class Input(ABC):
    """One file of a source, or one generated stream.

    Attributes:
        name: shown in reports and kept in `raw.loads`.
        tables: the raw tables it feeds; rejected rows count against the first.
    """

    name: str
    tables: Sequence[RawTable]

    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of the content and of what it is taken to mean; equal digests give equal rows."""

    @abstractmethod
    def size(self) -> int:
        """Length, in any unit, for the progress bar; known after `digest`."""

    @abstractmethod
    def chunks(self) -> Iterator[Chunk]:
        """Read the input once, from the beginning, in bounded memory.

        Raises:
            BadInputError: the input as a whole is not what it should be.
        """


class Source(ABC):
    """Where a shop's data comes from.

    Attributes:
        name: the word on the command line and the default name of the dataset.
        is_whole: its inputs are all there is, so different ones replace the dataset instead of adding to it.
    """

    name: str
    is_whole: bool = False

    @abstractmethod
    def inputs(self) -> list[Input]:
        """The inputs, in the order they are loaded.

        Raises:
            BadInputError: a required file is missing.
        """

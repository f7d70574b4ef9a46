"""A table in a file that feeds a raw table, described by rules and expressions instead of code."""

import hashlib
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources import rules
from recsys.sources.base import LINE, SURPLUS, Chunk, Input
from recsys.sources.files import DataFile


@dataclass(frozen=True)
class TextRows:
    """Rows of a file: `_line`, then the file's columns as text (empty is null).

    Attributes:
        position: how much of the file has been read, as in `Chunk`.
    """

    frame: pl.DataFrame
    position: int


@dataclass(frozen=True)
class Layout:
    """How a file's text columns become rows of a raw table.

    Attributes:
        table: where its rows go.
        columns: columns the file must have; others are ignored.
        rules: what a row must keep, see `rules.split`.
        output: the raw table's columns, computed from the file's.
        timestamp: the file's time column and its reading in milliseconds, if it has one.
        meaning: settings that change what the content means; part of the digest.
    """

    table: RawTable
    columns: tuple[str, ...]
    rules: rules.Rules
    output: dict[str, pl.Expr]
    timestamp: tuple[str, pl.Expr] | None = None
    meaning: str = ""


class TableInput(Input):
    """One file with one layout. Subclasses say how to read it, and may make more of a row: see `tables_of`."""

    def __init__(self, file: DataFile, layout: Layout, *more_tables: RawTable) -> None:
        self.file, self.layout = file, layout
        self.name = file.name
        self.tables = (layout.table, *more_tables)
        self.rules = layout.rules

    @abstractmethod
    def rows(self) -> Iterator[TextRows]:
        """The file's rows, some at a time, never none."""

    def digest(self) -> str:
        """Of the content and, where it has settings, of the layout's meaning."""
        if not self.layout.meaning:
            return self.file.sha256
        return hashlib.sha256(f"{self.file.sha256} {self.layout.meaning}".encode()).hexdigest()

    def chunks(self) -> Iterator[Chunk]:
        """A block of the file at a time.

        Raises:
            BadInputError: a column is missing, or most timestamps of the first block are impossible.
        """
        for number, rows in enumerate(self.rows()):
            if number == 0:
                self._check(rows.frame)
            good, rejected = self.split(rows.frame)
            yield Chunk(self.tables_of(good), rejected, rows.position)

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """Rows that keep the rules, and those that do not."""
        return rules.split(frame, self.rules)

    def tables_of(self, good: pl.DataFrame) -> dict[RawTable, pl.DataFrame]:
        """What the good rows (still the file's columns) become."""
        return {self.layout.table: good.select(**self.layout.output)}

    def _check(self, frame: pl.DataFrame) -> None:
        missing = [name for name in self.layout.columns if name not in frame.columns]
        if missing:
            raise BadInputError(
                f"{self.name} lacks the column {', '.join(map(repr, missing))};"
                f" it has {', '.join(repr(name) for name in frame.columns if name not in {LINE, SURPLUS})}.",
                remedy=f"It needs a header with {', '.join(self.layout.columns)} (in any order, separated by commas).",
            )
        if self.layout.timestamp:
            rules.refuse_wrong_timestamps(frame, *self.layout.timestamp, self.name)

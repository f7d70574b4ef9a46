"""A source's rows without a database between: what an evaluation on public data needs, and no server."""

from collections.abc import Callable, Iterable

import polars as pl

from recsys.dataset.raw import RAW_EVENTS, RAW_PROPERTIES, RAW_TREE
from recsys.schema import Columns, RawTable
from recsys.sources.base import Source

_ROWS_AT_A_TIME = 2_000_000


class SourceRows:
    """The rows that loading the source would have stored, in the order in which Postgres would give them.

    All of them are held in memory.
    """

    def __init__(self, source: Source) -> None:
        parts: dict[RawTable, list[pl.DataFrame]] = {table: [] for table in RawTable}
        for place, entry in enumerate(source.inputs()):
            for chunk in entry.chunks():
                for table, frame in chunk.accepted.items():
                    parts[table].append(frame.with_columns(load=pl.lit(place)))
        self._events = _typed(parts[RawTable.EVENTS], RAW_EVENTS).sort(
            Columns.USER, Columns.TIMESTAMP_MS, Columns.ITEM, Columns.EVENT_TYPE, Columns.ORDER, Columns.PRICE,
            Columns.QUANTITY, nulls_last=True,
        )  # fmt: skip
        self._properties = _typed(parts[RawTable.ITEM_PROPERTIES], RAW_PROPERTIES).sort(
            Columns.ITEM, Columns.TIMESTAMP_MS, "load", "property", "value"
        )
        tree = _typed(parts[RawTable.CATEGORY_TREE], RAW_TREE)
        order = [Columns.CATEGORY, "load", "parent_id"]
        self._tree = tree.sort(order, descending=[False, True, False], nulls_last=True)

    def newest_event_ms(self, limit_ms: int) -> int | None:
        """See `RawDataset.newest_event_ms`."""
        times = self._events[Columns.TIMESTAMP_MS]
        return times.filter(times <= limit_ms).max()  # type: ignore[return-value]

    def events(self, handle: Callable[[pl.DataFrame], None]) -> None:
        """See `RawDataset.events`."""
        _pass_on(self._events.select(RAW_EVENTS.names()), Columns.USER, handle)

    def properties(self, handle: Callable[[pl.DataFrame], None]) -> None:
        """See `RawDataset.properties`."""
        _pass_on(self._properties.select(RAW_PROPERTIES.names()), Columns.ITEM, handle)

    def category_tree(self) -> pl.DataFrame:
        """See `RawDataset.category_tree`."""
        return self._tree.select(RAW_TREE.names()).unique(Columns.CATEGORY, keep="first", maintain_order=True)


def _typed(parts: Iterable[pl.DataFrame], schema: pl.Schema) -> pl.DataFrame:
    """All rows with all columns of a raw table, and the place of the input they came in."""
    empty = schema.to_frame().with_columns(load=pl.lit(0, pl.Int32))
    frame = pl.concat([empty, *parts], how="diagonal_relaxed")
    return frame.select(pl.col(name).cast(kind) for name, kind in empty.schema.items())


def _pass_on(frame: pl.DataFrame, group: str, handle: Callable[[pl.DataFrame], None]) -> None:
    """Give a sorted frame away in chunks, each a whole number of groups."""
    start = 0
    while start < frame.height:
        end = min(start + _ROWS_AT_A_TIME, frame.height)
        if end < frame.height:
            end += frame[group].slice(end).search_sorted(frame[group][end - 1], "right")
        handle(frame.slice(start, end - start))
        start = end

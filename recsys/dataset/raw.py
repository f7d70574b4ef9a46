"""Reads a dataset's raw rows out of Postgres by COPY, in chunks: memory holds one chunk whatever the size of the table.

Postgres sorts (on disk, if need be), so that all rows of a user, or of an item, arrive together and in order of time.
"""

import io
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl

from recsys.schema import BAD_RATING, GOOD_RATING, Columns, EventType, RawTable
from recsys.storage.postgres import Cursor

RAW_EVENTS = pl.Schema(
    {
        Columns.USER: pl.String(),
        Columns.ITEM: pl.String(),
        Columns.TIMESTAMP_MS: pl.Int64(),
        Columns.EVENT_TYPE: pl.String(),
        Columns.ORDER: pl.String(),
        Columns.PRICE: pl.Float32(),
        Columns.QUANTITY: pl.Float32(),
        Columns.SESSION: pl.String(),
    }
)
RAW_PROPERTIES = pl.Schema(
    {
        Columns.ITEM: pl.String(),
        Columns.TIMESTAMP_MS: pl.Int64(),
        "property": pl.String(),
        "value": pl.String(),
    }
)
RAW_TREE = pl.Schema({Columns.CATEGORY: pl.String(), "parent_id": pl.String()})

# A guest is a user of one session; the prefix keeps the two kinds of id apart. A rating's stars are read as in
# `schema.meaning`. What was shown to and opened by a shopper is judged by reports; it is no behaviour to learn from.
_EVENTS = f"""
select * from (
    select user_id, item_id, timestamp_ms, event_type, order_id, price, quantity, null as session_id
    from raw.events where load_id = any(%(events)s)
    union all
    select coalesce(user_id, 'session:' || session_id), item_id, timestamp_ms,
           case when event_type <> '{EventType.RATING}' or value is null then event_type
                when value >= {GOOD_RATING} then '{EventType.LIKE}'
                when value <= {BAD_RATING} then '{EventType.DISLIKE}'
                else event_type end,
           order_id, price, quantity, session_id
    from raw.collected_events
    where dataset = %(dataset)s and event_type not in ('{EventType.IMPRESSION}', '{EventType.CLICK}')
) as all_events
order by user_id collate "C", timestamp_ms, item_id collate "C", event_type, order_id, price, quantity, session_id
"""
# Of two statements about the same moment the one loaded later counts, and what the API was told more than any load.
_PROPERTIES = """
select item_id, timestamp_ms, property, value from (
    select item_id, timestamp_ms, property, value, load_id as place
    from raw.item_properties where load_id = any(%(item_properties)s)
    union all
    select item_id, timestamp_ms, property, value, (1::bigint << 62) + change_id
    from raw.collected_item_properties where dataset = %(dataset)s
) as all_properties
order by item_id collate "C", timestamp_ms, place, property collate "C", value
"""
_TREE = """
select distinct on (category_id collate "C") category_id, parent_id from (
    select category_id, parent_id, load_id as place from raw.category_tree where load_id = any(%(category_tree)s)
    union all
    select category_id, parent_id, 1::bigint << 62 from shop.categories where dataset = %(dataset)s
) as all_categories
order by category_id collate "C", place desc, parent_id
"""
_NEWEST_EVENT = """
select max(newest) from (
    select max(timestamp_ms) as newest from raw.events where load_id = any(%(events)s) and timestamp_ms <= %(limit)s
    union all
    select max(timestamp_ms) from raw.collected_events where dataset = %(dataset)s and timestamp_ms <= %(limit)s
) as newest_of_each
"""

Handler = Callable[[pl.DataFrame], None]


class RawDataset:
    """One dataset's raw tables, read through one transaction, so that all of them show the same moment."""

    def __init__(self, cursor: Cursor, dataset: str, chunk_rows: int) -> None:
        """`cursor` must not have run anything yet in its transaction."""
        self._cursor, self._chunk_rows = cursor, chunk_rows
        cursor.execute("set transaction isolation level repeatable read")
        cursor.execute("set local work_mem = '128MB'")
        cursor.execute("select table_name, array_agg(load_id) from raw.loads where dataset = %s group by 1", (dataset,))
        # The load ids stand in the statement as constants: so the planner leaves out the partitions of other datasets.
        self._parameters: dict[str, Any] = {"dataset": dataset, **{str(table): [] for table in RawTable}}
        self._parameters.update(cursor.fetchall())

    def newest_event_ms(self, limit_ms: int) -> int | None:
        """Time of the newest event not later than `limit_ms`; None if there is none."""
        self._cursor.execute(_NEWEST_EVENT, {**self._parameters, "limit": limit_ms})
        row = self._cursor.fetchone()
        return row[0] if row else None

    def events(self, handle: Handler) -> None:
        """Pass on all events (`RAW_EVENTS`), sorted by user and time, a whole number of users at a time."""
        self._stream(_EVENTS, RAW_EVENTS, Columns.USER, handle)

    def properties(self, handle: Handler) -> None:
        """Pass on all properties (`RAW_PROPERTIES`), sorted by item and time, a whole number of items at a time."""
        self._stream(_PROPERTIES, RAW_PROPERTIES, Columns.ITEM, handle)

    def category_tree(self) -> pl.DataFrame:
        """The category tree (`RAW_TREE`), a row a category; a catalogue's worth of rows."""
        chunks = [RAW_TREE.to_frame()]
        self._stream(_TREE, RAW_TREE, Columns.CATEGORY, chunks.append)
        return pl.concat(chunks)

    def _stream(self, query: str, schema: pl.Schema, group: str, handle: Handler) -> None:
        statement = self._cursor.mogrify(f"copy ({query}) to stdout (format csv)", self._parameters)
        with _Chunks(schema, self._chunk_rows, group, handle) as chunks:
            self._cursor.copy_expert(statement, chunks)
            chunks.finish()


class _Chunks:
    """What COPY writes to. A thread works on one chunk while the next arrives; a failed chunk ends the COPY."""

    def __init__(self, schema: pl.Schema, rows: int, group: str, handle: Handler) -> None:
        self._schema, self._limit, self._group, self._handle = schema, rows, group, handle
        self._buffer, self._rows = bytearray(), 0
        self._rest = schema.to_frame()
        self._worker = ThreadPoolExecutor(1)
        self._busy: Future[None] | None = None

    def __enter__(self) -> "_Chunks":
        return self

    def __exit__(self, *error: object) -> None:
        self._worker.shutdown()

    def write(self, row: bytes) -> int:
        """Take one row, the unit in which COPY writes."""
        self._buffer += row
        self._rows += 1
        if self._rows >= self._limit:
            self._submit(last=False)
        return len(row)

    def finish(self) -> None:
        """Work off what is left."""
        self._submit(last=True)
        self._wait()

    def _submit(self, *, last: bool) -> None:
        self._wait()
        self._busy = self._worker.submit(self._work, self._buffer, last)
        self._buffer, self._rows = bytearray(), 0

    def _wait(self) -> None:
        if self._busy is not None:
            self._busy.result()

    def _work(self, buffer: bytearray, last: bool) -> None:
        frame = self._rest
        if buffer:
            frame = frame.vstack(pl.read_csv(io.BytesIO(buffer), has_header=False, schema=self._schema))
        if frame.is_empty():
            return
        if last:
            self._handle(frame)
            return
        # The last user (or item) may go on in the next chunk.
        open_group = pl.col(self._group).eq_missing(pl.lit(frame[self._group][-1]))
        self._rest = frame.filter(open_group)
        complete = frame.filter(~open_group)
        if not complete.is_empty():
            self._handle(complete)

"""The Postgres side of a version: one partition, filled by COPY in the transaction that creates it."""

import io
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import polars as pl
from psycopg2 import sql

from recsys.publishing import copy_binary
from recsys.schema import Columns, RecommendationTable
from recsys.storage.postgres import Cursor


def partition_name(table: RecommendationTable, version: int) -> sql.Identifier:
    """The Postgres table that holds a version."""
    return sql.Identifier("recs", f"{table}_{version}")


class PartitionWriter:
    """Fills a new partition, a frame at a time; Postgres takes one frame in while the caller prepares the next.

    Created and filled in one transaction, so at wal_level=minimal the rows are not written twice. Nobody else sees the
    partition before that transaction commits.
    """

    def __init__(self, cursor: Cursor, table: RecommendationTable, version: int) -> None:
        self._cursor = cursor
        self._executor = ThreadPoolExecutor(1)
        self._copying: Future[int] | None = None
        self._names: dict[str, Any] = {
            "parent": sql.Identifier("recs", str(table)),
            "partition": partition_name(table, version),
            "version": sql.Literal(version),
            "columns": sql.SQL(", ").join(map(sql.Identifier, copy_binary.COLUMNS)),
            "key": sql.Identifier(Columns.KEY),
        }
        self.rows = 0
        # The check spares ATTACH the scan that would prove it.
        self._execute("create table {partition} (like {parent}, check (version = {version}))")
        self._execute("alter table {partition} alter version set default {version}")

    def add(self, frame: pl.DataFrame) -> None:
        """Append a frame that `frames.checked` has passed."""
        body = io.BytesIO(copy_binary.HEADER + copy_binary.rows(frame) + copy_binary.TRAILER)
        self._wait()
        self._copying = self._executor.submit(self._copy, body)

    def attach(self) -> None:
        """Complete the partition and put it under its table."""
        self._wait()
        # Hash: a B-tree refuses keys above 2.7 kB, and nobody asks for ranges of keys. Uniqueness is the snapshot's.
        self._execute("create index on {partition} using hash ({key})")
        self._execute("alter table {parent} attach partition {partition} for values in ({version})")

    def close(self) -> None:
        """Let the COPY under way end, well or not; the transaction is the caller's."""
        self._executor.shutdown()

    def _copy(self, body: io.BytesIO) -> int:
        statement = sql.SQL("copy {partition} ({columns}) from stdin (format binary, freeze)").format(**self._names)
        self._cursor.copy_expert(statement, body, size=1 << 20)
        return int(self._cursor.rowcount)

    def _wait(self) -> None:
        if self._copying:
            self.rows += self._copying.result()
            self._copying = None

    def _execute(self, statement: str) -> None:
        self._cursor.execute(sql.SQL(statement).format(**self._names))

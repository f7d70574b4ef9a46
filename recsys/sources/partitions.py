"""Partitions of the raw tables: one per load, filled before readers can see it."""

import io

import polars as pl
from psycopg2 import sql

from recsys.schema import RawTable
from recsys.storage.postgres import Cursor


def name(table: RawTable, load_id: int) -> sql.Identifier:
    """The partition that holds one load."""
    return sql.Identifier("raw", f"{table}_{load_id}")


def create(cursor: Cursor, table: RawTable, load_id: int) -> None:
    """A table of its own for now; the check lets Postgres attach it later without reading it again."""
    cursor.execute(
        sql.SQL(
            "create table {partition} (like {parent} including defaults);"
            " alter table {partition} alter load_id set default {load_id},"
            " add check (load_id is not null and load_id = {load_id})"
        ).format(partition=name(table, load_id), parent=sql.Identifier("raw", str(table)), load_id=sql.Literal(load_id))
    )


def encode(rows: pl.DataFrame) -> bytes:
    """Rows as COPY takes them."""
    buffer = io.BytesIO()
    rows.write_csv(buffer, include_header=False)
    return buffer.getvalue()


def copy(cursor: Cursor, table: RawTable, load_id: int, columns: list[str], rows: bytes) -> None:
    """Append encoded rows. `freeze` and (with wal_level=minimal) skipping the WAL work because the table is new."""
    statement = sql.SQL("copy {partition} ({columns}) from stdin with (format csv, freeze)").format(
        partition=name(table, load_id), columns=sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    cursor.copy_expert(statement, io.BytesIO(rows), size=1 << 20)


def attach(cursor: Cursor, table: RawTable, load_id: int) -> None:
    """Make the filled table part of its raw table; seen by others at the commit."""
    cursor.execute(
        sql.SQL("alter table {parent} attach partition {partition} for values in ({load_id})").format(
            parent=sql.Identifier("raw", str(table)), partition=name(table, load_id), load_id=sql.Literal(load_id)
        )
    )


def drop(cursor: Cursor, table: RawTable, load_id: int) -> None:
    """Remove one load's rows."""
    cursor.execute(sql.SQL("drop table {partition}").format(partition=name(table, load_id)))

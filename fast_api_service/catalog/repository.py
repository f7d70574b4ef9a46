"""SQL of records, the same for every kind; names come from `Kind` constants, values are always parameters."""

from collections.abc import Iterable, Mapping
from typing import Any

import asyncpg
import orjson

from fast_api_service.catalog.kinds import Fields, Kind
from recsys.errors import NotReadyError

ACTIVE = "select name from raw.datasets where is_active"


async def dataset(connection: asyncpg.Connection) -> str:
    """The active dataset.

    Raises:
        NotReadyError: there is none.
    """
    name = await connection.fetchval(ACTIVE)
    if name is None:
        raise NotReadyError(
            "There is no dataset to keep it in.",
            remedy="Load one with `recsys load SOURCE PATH`, or begin with `recsys create NAME`.",
        )
    return str(name)


async def get(connection: asyncpg.Connection, kind: Kind, name: str, key: str) -> Fields | None:
    """One record with its revision."""
    rows = await _read(connection, kind, f"where dataset = $1 and {kind.key} = $2", name, key)
    return rows[0] if rows else None


async def lock(connection: asyncpg.Connection, kind: Kind, name: str, keys: Iterable[str]) -> dict[str, Fields]:
    """Those records that exist, nobody else's to write until the transaction ends; in one order, against deadlocks."""
    rows = await _read(
        connection,
        kind,
        f"where dataset = $1 and {kind.key} = any($2) order by {kind.key} for update of record",
        name,
        sorted(keys),
    )
    return {row[kind.key]: row for row in rows}


async def page(
    connection: asyncpg.Connection,
    kind: Kind,
    name: str,
    after: str | None,
    limit: int,
    conditions: Mapping[str, Any],
) -> list[Fields]:
    """Records by id, beginning after one of them; `conditions` are SQL with one `{}` for their value."""
    values = [name, limit, *([] if after is None else [after]), *conditions.values()]
    shown = ([] if after is None else [f"{kind.key} > $3"]) + [
        condition.format(f"${place}") for place, condition in enumerate(conditions, 3 + (after is not None))
    ]
    where = " and ".join(["dataset = $1", *shown])
    return await _read(connection, kind, f"where {where} order by {kind.key} limit $2", *values)


async def insert(connection: asyncpg.Connection, kind: Kind, name: str, rows: Mapping[str, Fields]) -> dict[str, int]:
    """New records; returns their revisions.

    Raises:
        asyncpg.UniqueViolationError: somebody else made one of them meanwhile.
    """
    columns = ", ".join(kind.columns)
    statement = (
        f"insert into {kind.table} (dataset, {kind.key}, {columns})"
        f" select $1, row.{kind.key}, {', '.join(f'row.{column}' for column in kind.columns)}"
        f" from {_recordset(kind)} order by row.{kind.key} returning {kind.key}, revision"
    )
    return dict(await connection.fetch(statement, name, _json(kind, rows)))  # type: ignore[arg-type]


async def update(connection: asyncpg.Connection, kind: Kind, name: str, rows: Mapping[str, Fields]) -> dict[str, int]:
    """Records that `lock` gave, with all columns; returns their new revisions."""
    columns = ", ".join(kind.columns)
    statement = (
        f"update {kind.table} as record set ({columns}) ="
        f" row ({', '.join(f'row.{column}' for column in kind.columns)}) from {_recordset(kind)}"
        f" where record.dataset = $1 and record.{kind.key} = row.{kind.key} returning record.{kind.key}, revision"
    )
    return dict(await connection.fetch(statement, name, _json(kind, rows)))  # type: ignore[arg-type]


async def delete(connection: asyncpg.Connection, kind: Kind, name: str, key: str) -> None:
    """Remove one record."""
    await connection.execute(f"delete from {kind.table} where dataset = $1 and {kind.key} = $2", name, key)


async def _read(connection: asyncpg.Connection, kind: Kind, rest: str, *values: Any) -> list[Fields]:
    statement = (
        f"select (to_jsonb(record) - 'dataset' - 'txid' || {kind.body})::text from {kind.table} as record {rest}"
    )
    return [orjson.loads(row[0]) for row in await connection.fetch(statement, *values)]


def _recordset(kind: Kind) -> str:
    columns = ", ".join(f"{name} {type_}" for name, type_ in {kind.key: "text", **kind.columns}.items())
    return f"jsonb_to_recordset($2::jsonb) as row({columns})"


def _json(kind: Kind, rows: Mapping[str, Fields]) -> str:
    wanted = {kind.key, *kind.columns}
    return orjson.dumps([{name: row[name] for name in wanted} for row in rows.values()]).decode()

"""SQL of the active dataset's configurations: rows are added, never changed."""

from typing import Any

import asyncpg

from recsys.errors import NotReadyError

COLUMNS = "version, body::text as body, author, comment, restores, created_at"
DATASET = "(select name from raw.datasets where is_active)"
PAGE = f"""
select {COLUMNS} from shop.configurations where dataset = {DATASET} and ($1::bigint is null or version < $1)
order by version desc limit $2
"""
ONE = f"select {COLUMNS} from shop.configurations where dataset = {DATASET} and version = $1"
# Versions of a dataset grow in the order of their commits: the newest is the one that counts.
LOCK = "select name from raw.datasets where is_active for no key update"
NEWEST = "select max(version) from shop.configurations where dataset = $1"
ADD = f"""
insert into shop.configurations (dataset, body, author, comment, restores) values ($1, $2, $3, $4, $5)
returning {COLUMNS}
"""

Row = dict[str, Any]


async def page(pool: asyncpg.Pool, before: int | None, limit: int) -> list[Row]:
    """Versions older than `before`, newest first."""
    return [dict(row) for row in await pool.fetch(PAGE, before, limit)]


async def one(pool: asyncpg.Pool, version: int) -> Row | None:
    """A version; None when there is none with this number."""
    row = await pool.fetchrow(ONE, version)
    return None if row is None else dict(row)


async def add(
    pool: asyncpg.Pool, body: str, author: str, comment: str | None, restores: int | None, replaces: int | None
) -> Row | int:
    """Make `body` the newest version; the number of the newest one, when that is not the one to be replaced.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction():
        dataset = await connection.fetchval(LOCK)
        if dataset is None:
            raise NotReadyError("There is no dataset to configure.", remedy="Load one with `recsys load SOURCE PATH`.")
        newest: int = await connection.fetchval(NEWEST, dataset) or 0
        if replaces is not None and replaces != newest:
            return newest
        return dict(await connection.fetchrow(ADD, dataset, body, author, comment, restores))

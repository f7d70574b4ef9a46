"""SQL of the active dataset's rules and of who changed them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from recsys.errors import NotReadyError

COLUMNS = "rule_id, body::text as body, revision, updated_at"
DATASET = "(select name from raw.datasets where is_active)"
ALL = f"select {COLUMNS} from shop.rules where dataset = {DATASET} order by rule_id"
ONE = f"select {COLUMNS} from shop.rules where dataset = {DATASET} and rule_id = $1"
# One change at a time: whether rules contradict each other is decided on all of them.
LOCK = "select name from raw.datasets where is_active for no key update"
PUT = f"""
insert into shop.rules (dataset, rule_id, body) values ($1, $2, $3)
on conflict (dataset, rule_id) do update set body = excluded.body, revision = rules.revision + 1,
    updated_at = clock_timestamp(), txid = pg_current_xact_id()
returning {COLUMNS}
"""
DELETE = "delete from shop.rules where dataset = $1 and rule_id = $2 returning body::text"
NOTE = """
insert into shop.rule_audit (dataset, rule_id, action, before, after, author) values ($1, $2, $3, $4, $5, $6)
"""
AUDIT = f"""
select audit_id, rule_id, action, before::text, after::text, author, created_at from shop.rule_audit
where dataset = {DATASET} and ($1::text is null or rule_id = $1) and ($2::bigint is null or audit_id < $2)
order by audit_id desc limit $3
"""

Row = dict[str, Any]


async def every(pool: asyncpg.Pool) -> list[Row]:
    """All rules, by id."""
    return [dict(row) for row in await pool.fetch(ALL)]


async def one(pool: asyncpg.Pool, rule_id: str) -> Row | None:
    """A rule; None when there is none with this id."""
    row = await pool.fetchrow(ONE, rule_id)
    return None if row is None else dict(row)


async def audit(pool: asyncpg.Pool, rule_id: str | None, before: int | None, limit: int) -> list[Row]:
    """Changes older than `before`, newest first; of deleted rules too."""
    return [dict(row) for row in await pool.fetch(AUDIT, rule_id, before, limit)]


class Changing:
    """The rules while nobody else changes them; what is changed is noted with its author."""

    def __init__(self, connection: asyncpg.Connection, dataset: str, author: str) -> None:
        self._connection, self._dataset, self._author = connection, dataset, author

    async def every(self) -> dict[str, str]:
        """Body by id."""
        return {row["rule_id"]: row["body"] for row in await self._connection.fetch(ALL)}

    async def put(self, rule_id: str, body: str, before: str | None) -> Row:
        """Create or replace a rule."""
        row = await self._connection.fetchrow(PUT, self._dataset, rule_id, body)
        action = "created" if before is None else "changed"
        await self._connection.execute(NOTE, self._dataset, rule_id, action, before, body, self._author)
        return dict(row)

    async def delete(self, rule_id: str) -> bool:
        """Remove a rule; whether there was one."""
        before = await self._connection.fetchval(DELETE, self._dataset, rule_id)
        if before is not None:
            await self._connection.execute(NOTE, self._dataset, rule_id, "deleted", before, None, self._author)
        return before is not None


@asynccontextmanager
async def changing(pool: asyncpg.Pool, author: str) -> AsyncIterator[Changing]:
    """A transaction in which rules are changed.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction():
        dataset = await connection.fetchval(LOCK)
        if dataset is None:
            raise NotReadyError("There is no dataset to make rules for.", remedy="Load one with `recsys load`.")
        yield Changing(connection, dataset, author)

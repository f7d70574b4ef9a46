"""SQL of training requests of the active dataset."""

from typing import Any

import asyncpg
import orjson

from recsys.errors import NotReadyError
from recsys.live.training import ASK

COLUMNS = (
    "request_id, model, state, trigger, requested_by, requested_at, started_at, finished_at, dag_run_id, error,"
    " telemetry::text as telemetry"
)
DATASET = "(select name from raw.datasets where is_active)"
OPEN = (
    f"select {COLUMNS} from ops.training_requests where dataset = $1 and model = $2 and state in ('queued', 'running')"
)
ONE = f"select {COLUMNS} from ops.training_requests where dataset = {DATASET} and request_id = $1"
PAGE = f"""
select {COLUMNS} from ops.training_requests
where dataset = {DATASET} and ($1::text is null or model = $1) and ($2::text is null or state = $2)
  and ($3::bigint is null or request_id < $3)
order by request_id desc limit $4
"""


async def ask(pool: asyncpg.Pool, model: str, who: str) -> tuple[dict[str, Any], bool]:
    """The open request of that model, and whether this call made it.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction():
        dataset = await connection.fetchval("select name from raw.datasets where is_active")
        if dataset is None:
            raise NotReadyError("There is no dataset to train on.", remedy="Load one with `recsys load SOURCE PATH`.")
        while True:
            made = await connection.fetchval(ASK, dataset, model, "api", who)
            row = await connection.fetchrow(OPEN, dataset, model)
            if row is not None:  # else it ended between the two statements
                return _document(row), made is not None


async def one(pool: asyncpg.Pool, request_id: int) -> dict[str, Any] | None:
    """A request; None when there is none with this id."""
    row = await pool.fetchrow(ONE, request_id)
    return None if row is None else _document(row)


async def page(
    pool: asyncpg.Pool, model: str | None, state: str | None, before: int | None, limit: int
) -> list[dict[str, Any]]:
    """Requests older than `before`, newest first."""
    return [_document(row) for row in await pool.fetch(PAGE, model, state, before, limit)]


def _document(row: asyncpg.Record) -> dict[str, Any]:
    return dict(row) | {"telemetry": orjson.loads(row["telemetry"])}

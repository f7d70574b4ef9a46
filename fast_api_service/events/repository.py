"""SQL of collected events, read back."""

from typing import Any

import asyncpg

from recsys.live.ingest import NAMES

OF_USER = (
    f"select {NAMES} from raw.collected_events"
    " where dataset = (select name from raw.datasets where is_active) and user_id = $1"
    " order by timestamp_ms desc, event_id desc limit $2"
)


async def of_user(pool: asyncpg.Pool, user_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest events of a user, newest first."""
    return [dict(row) for row in await pool.fetch(OF_USER, user_id, limit)]

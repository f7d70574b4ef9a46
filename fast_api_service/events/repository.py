"""SQL of collected events."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from fast_api_service.events.schemas import Event
from recsys.errors import NotReadyError

COLUMNS = {
    "event_id": "text",
    "timestamp_ms": "bigint",
    "user_id": "text",
    "session_id": "text",
    "item_id": "text",
    "event_type": "text",
    "order_id": "text",
    "price": "real",
    "quantity": "real",
    "recommendation_id": "text",
}
NAMES = ", ".join(COLUMNS)

# One statement is one transaction and one round trip. The dataset is read in it, so a switch never splits a batch.
INSERT = (
    f"insert into raw.collected_events (dataset, {NAMES})"
    " select active.name, event.* from (select name from raw.datasets where is_active) active, unnest("
    + ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(COLUMNS.values(), 1))
    + ") event on conflict (dataset, event_id) do nothing returning dataset, event_id"
)
ANY_DATASET = "select exists (select from raw.datasets where is_active)"
OF_USER = (
    f"select {NAMES} from raw.collected_events"
    " where dataset = (select name from raw.datasets where is_active) and user_id = $1"
    " order by timestamp_ms desc, event_id desc limit $2"
)


async def insert(pool: asyncpg.Pool, events: Sequence[Event]) -> tuple[str, set[str]]:
    """Commit the events to the active dataset; returns its name and the ids that were new.

    Raises:
        NotReadyError: there is no dataset.
    """
    # In one order everywhere, so that two requests with the same ids wait for each other instead of deadlocking.
    ordered = sorted(events, key=lambda event: event.event_id)
    columns = [[getattr(event, name) for event in ordered] for name in COLUMNS]
    rows = await pool.fetch(INSERT, *columns)
    if not rows and not await pool.fetchval(ANY_DATASET):
        raise NotReadyError("There is no dataset to add events to.", remedy="Load one with `recsys load SOURCE PATH`.")
    return (rows[0][0] if rows else ""), {row[1] for row in rows}


async def of_user(pool: asyncpg.Pool, user_id: str, limit: int) -> list[dict[str, Any]]:
    """The newest events of a user, newest first."""
    return [dict(row) for row in await pool.fetch(OF_USER, user_id, limit)]

"""Purchases: events of the type `purchase`, stored and read as such."""

from typing import Any

import asyncpg

from fast_api_service.customers.schemas import Purchase
from fast_api_service.database import database_errors
from fast_api_service.events.service import EventCollector
from fast_api_service.problems import ProblemError
from recsys.schema import EventType

_SELECT = f"""
select event_id as purchase_id, user_id as customer_id, item_id as product_id, order_id,
       price::text::float8 as price, quantity::text::float8 as quantity, timestamp_ms, recommendation_id
from raw.collected_events
where dataset = (select name from raw.datasets where is_active) and event_type = '{EventType.PURCHASE}'
"""
ONE = f"{_SELECT} and event_id = $1"
OF_CUSTOMER = f"""{_SELECT} and user_id = $1
  and ($2::text is null or (timestamp_ms, event_id) < (
      select timestamp_ms, event_id from raw.collected_events
      where dataset = (select name from raw.datasets where is_active) and event_id = $2))
order by timestamp_ms desc, event_id desc limit $3
"""


async def create(collector: EventCollector, purchase: Purchase) -> dict[str, Any]:
    """Store a purchase; one with this id that is stored already counts, and is what comes back.

    Raises:
        ProblemError: 422 when it is not usable; 503 when Postgres is away.
    """
    given = purchase.model_dump()
    renamed = {"purchase_id": "event_id", "customer_id": "user_id", "product_id": "item_id"}
    event = {renamed.get(name, name): value for name, value in given.items()}
    await collector.collect({"event_type": EventType.PURCHASE, **event})
    return given


async def get(pool: asyncpg.Pool, purchase_id: str) -> dict[str, Any]:
    """One purchase.

    Raises:
        ProblemError: 404.
    """
    with database_errors("Nothing can be read."):
        row = await pool.fetchrow(ONE, purchase_id)
    if row is None:
        raise ProblemError(
            404, "unknown-purchase", f"There is no purchase {purchase_id!r}.", remedy="Give the id it was stored under."
        )
    return dict(row)


async def of_customer(
    pool: asyncpg.Pool, customer_id: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A customer's purchases, the newest first, and the id to go on after; none for an unknown customer."""
    with database_errors("Nothing can be read."):
        rows = [dict(row) for row in await pool.fetch(OF_CUSTOMER, customer_id, after, limit + 1)]
    return rows[:limit], rows[limit - 1]["purchase_id"] if len(rows) > limit else None

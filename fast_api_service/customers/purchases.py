"""Purchases: events of the type `purchase`, stored and read as such."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import asyncpg
from pydantic import ValidationError

from fast_api_service.customers.schemas import Purchase
from fast_api_service.database import database_errors
from fast_api_service.events.schemas import Event
from fast_api_service.events.service import EventCollector
from fast_api_service.problems import ProblemError, field_problems, invalid
from fast_api_service.state import ServiceState
from recsys.errors import UnavailableError
from recsys.live.ingest import NAMES, CollectedEvent
from recsys.publishing.retractions import RETRACT, renew
from recsys.schema import EventType
from recsys.storage.pool import UNAVAILABLE

EVENT_FIELDS = {"purchase_id": "event_id", "customer_id": "user_id", "product_id": "item_id"}
FIELDS = {theirs: ours for ours, theirs in EVENT_FIELDS.items()}

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
_LOCK = f"""
select dataset, {NAMES} from raw.collected_events
where dataset = (select name from raw.datasets where is_active) and event_type = '{EventType.PURCHASE}'
  and event_id = $1 for update
"""
_DELETE = "delete from raw.collected_events where dataset = $1 and event_id = $2"
# A new arrival and transaction, so that those who follow events see the row again, as it is now.
_CHANGE = f"""
update raw.collected_events
set ({NAMES}) = row ({", ".join(f"${place}" for place in range(3, 3 + len(CollectedEvent._fields)))}),
    ingested_at = clock_timestamp(), txid = pg_current_xact_id()
where dataset = $1 and event_id = $2
"""


async def create(collector: EventCollector, purchase: Purchase) -> dict[str, Any]:
    """Store a purchase; one with this id that is stored already counts, and is what comes back.

    Raises:
        ProblemError: 422 when it is not usable; 503 when Postgres is away.
    """
    given = purchase.model_dump()
    await collector.collect({"event_type": EventType.PURCHASE, **_event_fields(given)})
    return given


async def get(pool: asyncpg.Pool, purchase_id: str) -> dict[str, Any]:
    """One purchase.

    Raises:
        ProblemError: 404.
    """
    with database_errors("Nothing can be read."):
        row = await pool.fetchrow(ONE, purchase_id)
    if row is None:
        raise _unknown(purchase_id)
    return dict(row)


async def change(state: ServiceState, purchase_id: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Change some fields of a purchase; the next recommendation on this host goes by what it is now.

    Raises:
        ProblemError: 404; 422 when it would not be usable; 503 when Postgres is away.
    """
    with database_errors("It is not known whether anything was changed."):
        async with state.pool.acquire() as connection, connection.transaction():
            dataset, before = await _retract(connection, purchase_id)
            after = _changed(before, _event_fields(given))
            await connection.execute(_CHANGE, dataset, purchase_id, *after)
    await _show(state, dataset, before.user_id, before.session_id)
    if after.user_id != before.user_id:
        await _show(state, dataset, after.user_id, None)
    return await get(state.pool, purchase_id)


async def delete(state: ServiceState, purchase_id: str) -> None:
    """Take a purchase back; the next answer on this host may show the product again.

    Raises:
        ProblemError: 404; 503 when Postgres is away.
    """
    with database_errors("It is not known whether anything was deleted."):
        async with state.pool.acquire() as connection, connection.transaction():
            dataset, before = await _retract(connection, purchase_id)
            await connection.execute(_DELETE, dataset, purchase_id)
    await _show(state, dataset, before.user_id, before.session_id)


async def of_customer(
    pool: asyncpg.Pool, customer_id: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """A customer's purchases, the newest first, and the id to go on after; none for an unknown customer."""
    with database_errors("Nothing can be read."):
        rows = [dict(row) for row in await pool.fetch(OF_CUSTOMER, customer_id, after, limit + 1)]
    return rows[:limit], rows[limit - 1]["purchase_id"] if len(rows) > limit else None


async def _retract(connection: asyncpg.Connection, purchase_id: str) -> tuple[str, CollectedEvent]:
    """The purchase and its dataset, nobody else's to write; other hosts are told that it is not so any more."""
    row = await connection.fetchrow(_LOCK, purchase_id)
    if row is None:
        raise _unknown(purchase_id)
    dataset, *fields = row
    event = CollectedEvent(*fields)
    await connection.execute(RETRACT, dataset, event.user_id, event.session_id, event.timestamp_ms)
    return dataset, event


async def _show(state: ServiceState, dataset: str, user_id: str | None, session_id: str | None) -> None:
    """Let the next request on this host go by what is stored now; the tailer makes up for it where this fails."""
    with suppress(UnavailableError, *UNAVAILABLE):
        await renew(state.pool.fetch, state.recent, dataset, user_id, session_id)


def _changed(event: CollectedEvent, given: Mapping[str, Any]) -> CollectedEvent:
    fields = {name: value for name, value in event._asdict().items() if name in Event.model_fields}
    if given.get("user_id", event.user_id) != event.user_id:
        fields["session_id"] = None  # that was the other one's
    try:
        return Event.model_validate(fields | dict(given)).collected()
    except ValidationError as error:
        found = [each | {"loc": tuple(FIELDS.get(str(name), name) for name in each["loc"])} for each in error.errors()]
        raise invalid(field_problems(found, "body")) from None


def _event_fields(given: Mapping[str, Any]) -> dict[str, Any]:
    return {EVENT_FIELDS.get(name, name): value for name, value in given.items()}


def _unknown(purchase_id: str) -> ProblemError:
    return ProblemError(
        404, "unknown-purchase", f"There is no purchase {purchase_id!r}.", remedy="Give the id it was stored under."
    )

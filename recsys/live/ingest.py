"""Storing collected events: one statement for those that come straight from the shop and those out of the queue."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from recsys.errors import NotReadyError

# The tailers' look-back relies on no transaction that stores events living longer than this.
TRANSACTION_TIMEOUT_MS = 4_000


class CollectedEvent(NamedTuple):
    """A row of `raw.collected_events`, as `placement` and what follows it was told by the recommendation's id."""

    event_id: str
    timestamp_ms: int
    user_id: str | None
    session_id: str | None
    item_id: str
    event_type: str
    order_id: str | None = None
    price: float | None = None
    quantity: float | None = None
    value: float | None = None
    recommendation_id: str | None = None
    placement: str | None = None
    source: str | None = None
    version: int | None = None
    propensity: float | None = None


_KINDS = {"timestamp_ms": "bigint", "version": "bigint"} | dict.fromkeys(
    ("price", "quantity", "value", "propensity"), "real"
)
NAMES = ", ".join(CollectedEvent._fields)
_GIVEN = ", ".join(
    f"${place}::{_KINDS.get(name, 'text')}[]" for place, name in enumerate(CollectedEvent._fields, start=2)
)
_TAKEN = ", ".join(
    "coalesce(event.user_id, owner.user_id)" if name == "user_id" else f"event.{name}"
    for name in CollectedEvent._fields
)
# One statement is one transaction and one round trip, and it looks at the active dataset, so a switch never splits a
# batch. An event may have waited in the queue while its guest logged in, or while its user asked to be forgotten.
_INSERT = f"""
insert into raw.collected_events (dataset, {NAMES})
select chosen.name, {_TAKEN}
from (select coalesce($1, (select name from raw.datasets where is_active)) as name) as chosen,
     unnest({_GIVEN}) as event ({NAMES})
left join lateral (
    select user_id from shop.session_owners
    where dataset = chosen.name and session_id = event.session_id and event.user_id is null
      and (extract(epoch from merged_at) * 1000)::bigint >= event.timestamp_ms
    order by merged_at limit 1
) as owner on true
where chosen.name is not null and not exists (
    select from shop.erasures
    where dataset = chosen.name and (extract(epoch from erased_at) * 1000)::bigint >= event.timestamp_ms
      and user_hash = shop.user_hash(coalesce(event.user_id, 'session:' || event.session_id))
)
on conflict (dataset, event_id) do nothing returning dataset, event_id
"""
_ANY_DATASET = "select exists (select from raw.datasets where is_active)"


async def insert(pool: asyncpg.Pool, events: Sequence[CollectedEvent], dataset: str | None) -> tuple[str, set[str]]:
    """Commit the events; returns the name of their dataset and the ids that were new.

    Args:
        dataset: None means the active one.

    Raises:
        NotReadyError: there is no dataset.
    """
    # In one order everywhere, so that two batches with the same ids wait for each other instead of deadlocking.
    ordered = sorted(events, key=lambda event: event.event_id)
    rows = await pool.fetch(_INSERT, dataset, *(list(column) for column in zip(*ordered, strict=True)))
    if not rows and dataset is None and not await pool.fetchval(_ANY_DATASET):
        raise NotReadyError("There is no dataset to add events to.", remedy="Load one with `recsys load SOURCE PATH`.")
    return (rows[0][0] if rows else dataset or ""), {row[1] for row in rows}

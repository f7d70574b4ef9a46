"""Collected events that were changed or taken back: the recent records they were in are put together anew.

A record does not say which event it owes a purchase to, so nothing can be cut out of it. Who changes or deletes an
event leaves a retraction in the same transaction; the tailer of every host follows these.
"""

import asyncio

from recsys.publishing.changes import Fetch, oldest_unseen, pages
from recsys.publishing.history import RecentEvent
from recsys.publishing.recent import RecentStore

MOST_EVENTS = 10_000  # of a user or session, the newest: more than any record tells of
_PAGE_ROWS = 1_000

RETRACT = "insert into raw.retractions (dataset, user_id, session_id, timestamp_ms) values ($1, $2, $3, $4)"
_CHANGES = """
select txid::text as txid, retraction_id, dataset, user_id, session_id from raw.retractions
where (txid, retraction_id) > ($1::text::xid8, $2) and not pg_visible_in_snapshot(txid, $3::text::pg_snapshot)
order by raw.retractions.txid, retraction_id limit $4
"""
# Other sessions of the user have records of their own, which are as they should be.
_EVENTS = """
select dataset, event_id, timestamp_ms, item_id, event_type, user_id,
       case when session_id = $3 then session_id end as session_id, value
from (
    (select * from raw.collected_events where dataset = $1 and user_id = $2 order by timestamp_ms desc limit $4)
    union all
    (select * from raw.collected_events where dataset = $1 and user_id is null and session_id = $3
     order by timestamp_ms desc limit $4)
) as events
order by timestamp_ms, event_id
"""


async def follow(fetch: Fetch, recent: RecentStore, seen: str) -> None:
    """See to the retractions that a Postgres snapshot does not show."""
    start = (oldest_unseen(seen), 0)
    async for page in pages(fetch, _CHANGES, _PAGE_ROWS, ("txid", "retraction_id"), start, seen):
        for whose in {(row["dataset"], row["user_id"], row["session_id"]) for row in page}:
            await renew(fetch, recent, *whose)


async def renew(fetch: Fetch, recent: RecentStore, dataset: str, user_id: str | None, session_id: str | None) -> None:
    """Put the records of a user and of a session together anew, from the events that are stored.

    They are forgotten before the events are read: one that is stored meanwhile is shown after that, so none is lost.
    What other users did in the session stays in their own records alone.
    """
    await asyncio.to_thread(recent.forget, dataset, user_id, [session_id] if session_id else [])
    rows = await fetch(_EVENTS, dataset, user_id, session_id, MOST_EVENTS)
    await asyncio.to_thread(recent.add, [RecentEvent.of(row) for row in rows])

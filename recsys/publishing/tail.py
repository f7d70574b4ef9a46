"""Brings what other hosts collected or retracted into this host's recent store, and fills a new store from Postgres."""

import asyncio
from datetime import datetime, timedelta

import orjson

from recsys.publishing import retractions
from recsys.publishing.changes import NOTHING_SEEN, Fetch, is_ahead, pages
from recsys.publishing.history import RecentEvent
from recsys.publishing.leader import HostLeader
from recsys.publishing.recent import RecentStore

# An event's arrival time is taken before its transaction commits, and that lasts at most 4 s (`transaction_timeout`).
OVERLAP = timedelta(seconds=5)
# What a new store is filled with: so far back, and so many events.
REBUILD_DAYS = 30
REBUILD_EVENTS = 1_000_000
_PAGE_ROWS = 500  # the writer's lock of the store is held for a few milliseconds

_NOW = """
select pg_current_snapshot()::text as snapshot, clock_timestamp() as at,
       (select jsonb_object_agg(name, extract(epoch from created_at)::text)::text from raw.datasets) as datasets
"""
_BEGINNING = """
select greatest(
    clock_timestamp() - make_interval(days => $1),
    (select ingested_at from raw.collected_events order by ingested_at desc offset $2 limit 1)
) as at
"""
_EVENTS = """
select dataset, event_id, timestamp_ms, item_id, event_type, user_id, session_id, value,
       ingested_at
from raw.collected_events
where (ingested_at, dataset, event_id) > ($1, $2, $3)
  and not pg_visible_in_snapshot(txid, $4::text::pg_snapshot)
order by ingested_at, dataset, event_id limit $5
"""


class Tailer:
    """One a process; only the leader's does something."""

    def __init__(self, recent: RecentStore, leader: HostLeader) -> None:
        self._recent, self._leader = recent, leader

    async def step(self, fetch: Fetch) -> None:
        """Bring in what was committed since the last step of any leader; errors of `fetch` leave that for later."""
        self._recent.reopen_if_replaced()
        if not self._leader.acquire():
            return
        now = (await fetch(_NOW))[0]
        datasets = orjson.loads(now["datasets"] or "{}")
        position = self._recent.position()
        if position is None or is_ahead(position["snapshot"], now["snapshot"]):
            beginning = (await fetch(_BEGINNING, REBUILD_DAYS, REBUILD_EVENTS))[0]["at"]
            position = {"snapshot": NOTHING_SEEN, "at": beginning.isoformat()}
        # What a dataset held that is gone goes before the events of one that was made anew under its name come in.
        for name, made_at in position.get("datasets", {}).items():
            if datasets.get(name) != made_at:
                await asyncio.to_thread(self._recent.forget_if, name, bool)
        start = (datetime.fromisoformat(position["at"]) - OVERLAP, "", "")
        order = ("ingested_at", "dataset", "event_id")
        async for page in pages(fetch, _EVENTS, _PAGE_ROWS, order, start, position["snapshot"]):
            await asyncio.to_thread(self._recent.add, [RecentEvent.of(row) for row in page])
        if position["snapshot"] != NOTHING_SEEN:
            await retractions.follow(fetch, self._recent, position["snapshot"])
        position = {"snapshot": now["snapshot"], "at": now["at"].isoformat(), "datasets": datasets}
        await asyncio.to_thread(self._recent.save_position, position)

"""Which items are sold out or hidden, so not to be shown: kept in process, and on disk for starts without Postgres."""

import asyncio
from pathlib import Path

import orjson

from recsys.publishing.changes import Fetch, Look, look, oldest_unseen, pages
from recsys.publishing.leader import HostLeader

_PAGE_ROWS = 5_000  # a few milliseconds of the event loop

_ALL = """
select item_id from recs.item_state
where item_id > $1 and dataset = $2 and (is_hidden or not is_available) order by item_id limit $3
"""
_CHANGES = """
select txid::text as txid, item_id, is_available and not is_hidden as is_shown from recs.item_state
where (txid, item_id) > ($1::text::xid8, $2) and dataset = $3
  and not pg_visible_in_snapshot(txid, $4::text::pg_snapshot)
order by recs.item_state.txid, item_id limit $5
"""


class Availability:
    """`unavailable` holds the ids of one dataset's items; ask it with `in`."""

    def __init__(self, path: Path, leader: HostLeader) -> None:
        self._path, self._leader = path, leader
        self.unavailable: set[str] = set()
        self._last = Look()
        self._load()

    @property
    def dataset(self) -> str | None:
        """Whose items these are."""
        return self._last.dataset

    async def refresh(self, fetch: Fetch, dataset: str | None) -> None:
        """Bring in what changed; everything, for a dataset not seen before. Errors of `fetch` leave all as it was."""
        if dataset is None:
            return
        now = await look(fetch, dataset)
        if not now.follows(self._last):
            found: set[str] = set()
            async for page in pages(fetch, _ALL, _PAGE_ROWS, ("item_id",), ("",), dataset):
                found.update(row["item_id"] for row in page)
            changed, self.unavailable = True, found
        else:
            changed = False
            seen = self._last.snapshot
            start = (oldest_unseen(seen), "")
            async for page in pages(fetch, _CHANGES, _PAGE_ROWS, ("txid", "item_id"), start, dataset, seen):
                self.unavailable.difference_update(row["item_id"] for row in page if row["is_shown"])
                self.unavailable.update(row["item_id"] for row in page if not row["is_shown"])
                changed = True
        self._last = now
        if changed and self._leader.acquire():
            body: dict[str, object] = {"last": list(now), "unavailable": list(self.unavailable)}
            await asyncio.to_thread(self._save, body)

    def _save(self, body: dict[str, object]) -> None:
        part = self._path.with_suffix(".part")
        part.write_bytes(orjson.dumps(body))
        part.replace(self._path)

    def _load(self) -> None:
        try:
            body = orjson.loads(self._path.read_bytes())
            self._last, self.unavailable = Look(*body["last"]), set(body["unavailable"])
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError):
            self._last = Look()  # read anew from Postgres

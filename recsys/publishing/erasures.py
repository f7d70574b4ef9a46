"""Users who asked to be forgotten: what was published of them before is not shown any more, though files still hold it.

Step 1 settles an erasure when it has read data without that user; lists published a day after that are new.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from math import inf
from pathlib import Path

import orjson

from recsys.publishing.changes import NOTHING_SEEN, Fetch, Look, look, oldest_unseen, pages
from recsys.publishing.leader import HostLeader
from recsys.publishing.recent import RecentStore

# A step that had begun with data from before publishes within a day.
SETTLED_AFTER_S = 86_400.0
_PAGE_ROWS = 5_000

_CHANGES = """
select txid::text as txid, user_hash, extract(epoch from settled_at)::float8 as settled_at from shop.erasures
where (txid, user_hash) > ($1::text::xid8, $2) and dataset = $3
  and not pg_visible_in_snapshot(txid, $4::text::pg_snapshot)
order by shop.erasures.txid, user_hash limit $5
"""


def user_hash(user_id: str) -> str:
    """Of a user id, or of a guest's: `session:` and the session id; the same as Postgres' `shop.user_hash`."""
    return sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()


class Erasures:
    """This process's copy of one dataset's erasures, kept on disk for starts without Postgres. False while empty."""

    def __init__(self, path: Path, leader: HostLeader, recent: RecentStore) -> None:
        self._path, self._leader, self._recent = path, leader, recent
        self._hidden_until: dict[str, float] = {}
        self._last = Look()
        self._load()

    def __bool__(self) -> bool:
        return bool(self._hidden_until)

    def hides(self, user_id: str, published: Iterable[datetime]) -> bool:
        """Whether one of the lists that were published at these times could still hold what was erased."""
        until = self._hidden_until.get(user_hash(user_id))
        return until is not None and any(at.timestamp() < until for at in published)

    async def refresh(self, fetch: Fetch, dataset: str | None) -> set[str]:
        """Bring in what is new, and give its hashes; the host's leader also takes it out of the recent store."""
        if dataset is None:
            return set()
        now = await look(fetch, dataset)
        anew = not now.follows(self._last)
        seen = NOTHING_SEEN if anew else self._last.snapshot
        hidden = {} if anew else dict(self._hidden_until)
        found: set[str] = set()
        start = (oldest_unseen(seen), "")
        async for page in pages(fetch, _CHANGES, _PAGE_ROWS, ("txid", "user_hash"), start, dataset, seen):
            for row in page:
                settled = row["settled_at"]
                hidden[row["user_hash"]] = inf if settled is None else settled + SETTLED_AFTER_S
                if settled is None:
                    found.add(row["user_hash"])
        self._hidden_until, self._last = hidden, now
        if (found or anew) and self._leader.acquire():
            await asyncio.to_thread(self._save)
        if found and not anew and self._leader.acquire():
            await asyncio.to_thread(self._recent.forget_if, dataset, lambda name: user_hash(name) in found)
        return found

    def _save(self) -> None:
        hidden = {name: None if until == inf else until for name, until in self._hidden_until.items()}
        part = self._path.with_suffix(".part")
        part.write_bytes(orjson.dumps({"last": list(self._last), "hidden_until": hidden}))
        part.replace(self._path)

    def _load(self) -> None:
        try:
            body = orjson.loads(self._path.read_bytes())
            hidden = {name: inf if until is None else until for name, until in body["hidden_until"].items()}
            self._last, self._hidden_until = Look(*body["last"]), hidden
        except (FileNotFoundError, orjson.JSONDecodeError, KeyError):
            self._last = Look()  # read anew from Postgres

"""What rules and exclusions go by: an item's category, brand, price, stock and marks, in a file shared by a host.

Following `recs.item_state` costs one process of a host the reading; all its workers look items up where they lie in
memory. The file also is what a start without Postgres goes on with. Next to the facts lie the items of each category,
what answers call items (`labels`), and a journal of what changed, so that workers know which of their own conclusions
are out of date.
"""

import asyncio
import fcntl
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import lmdb
import orjson

from recsys.publishing.changes import NOTHING_SEEN, Fetch, Look, Row, look, oldest_unseen, pages
from recsys.publishing.codec import storage_key
from recsys.publishing.item_labels import ItemLabels
from recsys.publishing.leader import HostLeader

log = logging.getLogger(__name__)

_PAGE_ROWS = 5_000
_MAP_BYTES = 8 << 30  # address space, not memory; about 40 million items
_JOURNAL_ENTRIES = 50_000
_STATE = b"state"

# The price by its digits: 12.99 as a real is a little less, and a rule from 12.99 on would miss it. Variants changed if
# the state did (a trigger sees to that); what is in stock is shown first, then what the shop weighs most.
_CHANGES = """
select state.txid::text as txid, item_id, category_id, brand, price::text::float8 as price, stock, tags,
       is_available, is_hidden, is_repeatable, weight, title, skus, in_stock
from (
    select * from recs.item_state
    where (txid, item_id) > ($1::text::xid8, $2) and dataset = $3
      and not pg_visible_in_snapshot(txid, $4::text::pg_snapshot)
    order by txid, item_id limit $5
) as state
cross join lateral (
    select array_agg(sku order by variant.stock > 0 desc, recommendation_weight desc, sku) as skus,
           count(*) filter (where variant.stock > 0) as in_stock
    from shop.variants variant where (variant.dataset, variant.product_id) = (state.dataset, state.item_id)
) as variants
order by state.txid, item_id
"""


class Facts(NamedTuple):
    """What is known of an item; `stock` is None where the shop does not count."""

    category_id: str | None
    brand: str | None
    price: float | None
    stock: int | None
    tags: Sequence[str]
    is_available: bool
    is_hidden: bool
    is_repeatable: bool
    weight: float


class ItemFacts:
    """One dataset's items. Each process has its own, on the same folder; only the leader's writes.

    Attributes:
        labels: what answers call these items.
    """

    labels: ItemLabels

    def __init__(self, folder: Path, leader: HostLeader) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._leader = leader
        with folder.joinpath("open.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                self._open(folder)
            except lmdb.Error as error:
                log.error("The item facts in %s are damaged and will be read anew: %s", folder, error)
                for name in ("data.mdb", "lock.mdb"):
                    folder.joinpath(name).unlink(missing_ok=True)
                self._open(folder)
        self._journal_at = self._last_entry()

    def get(self, item_id: str) -> Facts | None:
        """An item's facts; None for one that the catalogue does not know."""
        with self._env.begin(db=self._facts) as txn:
            found = txn.get(storage_key(item_id))
        return None if found is None else Facts(*orjson.loads(found))

    def of_categories(self, category_ids: Sequence[str]) -> list[str]:
        """Ids of all items that lie directly in one of these categories, in their order."""
        found: list[str] = []
        with self._env.begin(db=self._members) as txn, txn.cursor() as cursor:
            for category_id in category_ids:
                if cursor.set_key(storage_key(category_id)):
                    found.extend(bytes(item).decode() for item in cursor.iternext_dup())
        return found

    def all(self) -> Iterator[tuple[str, Facts]]:
        """Every item, but those with an id too long to be an LMDB key."""
        with self._env.begin(db=self._facts) as txn:
            for key, value in txn.cursor():
                if key[0] < 0xFD:  # `storage_key` keeps these for what is not the id itself
                    yield key.decode(), Facts(*orjson.loads(value))

    @property
    def dataset(self) -> str | None:
        """Whose facts these are, once all of them are here."""
        return self._last().dataset

    async def refresh(self, fetch: Fetch, dataset: str | None) -> None:
        """Bring in what changed; everything, for a dataset not seen before. Errors of `fetch` leave that for later."""
        if dataset is None or not self._leader.acquire():
            return
        now, last = await look(fetch, dataset), self._last()
        seen, changed = last.snapshot, False
        if not now.follows(last):
            await asyncio.to_thread(self._clear)
            seen, changed = NOTHING_SEEN, True
        start = (oldest_unseen(seen), "")
        async for page in pages(fetch, _CHANGES, _PAGE_ROWS, ("txid", "item_id"), start, dataset, seen):
            await asyncio.to_thread(self._write, page)
            changed = True
        if changed:
            await asyncio.to_thread(self._save, now)

    def changed(self) -> set[str] | None:
        """Items whose facts changed since the last call; None when that is too long ago to tell: take it as all."""
        last = self._last_entry()
        if last == self._journal_at:
            return set()
        with self._env.begin(db=self._journal) as txn, txn.cursor() as cursor:
            known = cursor.set_key(_sequence(self._journal_at + 1))
            found = {bytes(item).decode() for item in cursor.iternext(keys=False)} if known else None
        self._journal_at = last
        return None if found is None or "" in found else found

    def close(self) -> None:
        """Let go of the file."""
        self._env.close()

    def _open(self, folder: Path) -> None:
        self._env = lmdb.open(str(folder), map_size=_MAP_BYTES, max_dbs=5, max_readers=512)
        # LMDB trusts its page numbers: a file cut short would end the process with SIGBUS at the first look.
        size = (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"]
        if folder.joinpath("data.mdb").stat().st_size < size:
            self._env.close()
            raise lmdb.CorruptedError("the file is cut short")
        self._env.reader_check()
        self._facts = self._env.open_db(b"facts")
        self._members = self._env.open_db(b"members", dupsort=True)
        self._journal = self._env.open_db(b"journal")
        self.labels = ItemLabels(self._env)

    def _last(self) -> Look:
        """The look that all of this came in with."""
        with self._env.begin() as txn:
            raw = txn.get(_STATE)
        state = orjson.loads(raw) if raw else None
        return Look(*state) if isinstance(state, list) else Look()

    def _save(self, now: Look) -> None:
        with self._env.begin(write=True) as txn:
            txn.put(_STATE, orjson.dumps(list(now)))

    def _clear(self) -> None:
        with self._env.begin(write=True) as txn:
            txn.delete(_STATE)
            for part in (self._facts, self._members):
                txn.drop(part, delete=False)
            self.labels.clear(txn)
            self._note(txn, [""])

    def _write(self, rows: Sequence[Row]) -> None:
        with self._env.begin(write=True) as txn:
            for row in rows:
                key, item = storage_key(row["item_id"]), row["item_id"].encode()
                held = txn.get(key, db=self._facts)
                before = Facts(*orjson.loads(held)).category_id if held else None
                if before is not None and before != row["category_id"]:
                    txn.delete(storage_key(before), item, db=self._members)
                # LMDB sorts what lies under one key, so it takes no longer values there than keys.
                if row["category_id"] is not None and len(item) <= self._env.max_key_size():
                    txn.put(storage_key(row["category_id"]), item, db=self._members)
                txn.put(key, orjson.dumps([row[field] for field in Facts._fields]), db=self._facts)
                self.labels.put(txn, row)
            self._note(txn, [row["item_id"] for row in rows])

    def _note(self, txn: lmdb.Transaction, items: Sequence[str]) -> None:
        """Enter changed items in the journal; "" stands for all."""
        with txn.cursor(db=self._journal) as cursor:
            last = int.from_bytes(cursor.key(), "big") if cursor.last() else 0
            for place, item_id in enumerate(items, last + 1):
                cursor.put(_sequence(place), item_id.encode())
            while cursor.first() and int.from_bytes(cursor.key(), "big") <= last + len(items) - _JOURNAL_ENTRIES:
                cursor.delete()

    def _last_entry(self) -> int:
        with self._env.begin(db=self._journal) as txn, txn.cursor() as cursor:
            return int.from_bytes(cursor.key(), "big") if cursor.last() else 0


def _sequence(number: int) -> bytes:
    return number.to_bytes(8, "big")

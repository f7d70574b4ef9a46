"""Short lists that change within seconds, such as `trending`: jobs write them, each process of the service has a copy.

A job replaces all lists of a name at once. A list that did not change keeps its row, so that copies have little to do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from recsys.publishing.changes import NOTHING_SEEN, Fetch, Look, look, oldest_unseen, pages

_PAGE_ROWS = 1_000

_PUT = """
insert into shop.live_lists (dataset, name, key, item_ids, scores)
values ($1, $2, $3, $4, $5)
on conflict (dataset, name, key) do update
set item_ids = excluded.item_ids, scores = excluded.scores, made_at = clock_timestamp(), txid = pg_current_xact_id()
where (live_lists.item_ids, live_lists.scores) is distinct from (excluded.item_ids, excluded.scores)
"""
# An empty list tells followers what a deleted row could not.
_EMPTY_OTHERS = """
update shop.live_lists set item_ids = '{}', scores = '{}', made_at = clock_timestamp(), txid = pg_current_xact_id()
where dataset = $1 and name = $2 and key <> all($3) and item_ids <> '{}'
"""
_CHANGES = """
select txid::text as txid, name, key, item_ids, scores from shop.live_lists
where (txid, name, key) > ($1::text::xid8, $2, $3) and dataset = $4
  and not pg_visible_in_snapshot(txid, $5::text::pg_snapshot)
order by shop.live_lists.txid, name, key limit $6
"""


@dataclass(frozen=True, slots=True)
class LiveList:
    """Items, best first, with their scores; what a score means depends on the list."""

    item_ids: Sequence[str] = ()
    scores: Sequence[float] = ()


EMPTY = LiveList()


async def put_lists(
    connection: asyncpg.Connection,
    dataset: str,
    name: str,
    lists: Mapping[str, tuple[Sequence[str], Sequence[float]]],
    *,
    keep_others: bool = False,
) -> None:
    """Make `lists` (key → items and scores) the lists called `name`; call it in a transaction.

    Args:
        keep_others: leave lists of other keys as they are, instead of emptying them.
    """
    rows: Iterable[tuple[object, ...]] = [
        (dataset, name, key, list(items), list(scores)) for key, (items, scores) in sorted(lists.items())
    ]
    await connection.executemany(_PUT, rows)
    if not keep_others:
        await connection.execute(_EMPTY_OTHERS, dataset, name, list(lists))


class LiveLists:
    """This process's copy of one dataset's lists."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, str], LiveList] = {}
        self._last = Look()

    def get(self, name: str, key: str = "") -> LiveList:
        """The list as last seen; `EMPTY` when there is none."""
        return self._lists.get((name, key), EMPTY)

    def forget(self, erased: Callable[[str], bool]) -> None:
        """Drop the lists of these keys, whose rows were deleted, which `refresh` does not see."""
        self._lists = {place: kept for place, kept in self._lists.items() if not erased(place[1])}

    async def refresh(self, fetch: Fetch, dataset: str | None) -> None:
        """Bring in what changed; everything, for a dataset not seen before. Errors of `fetch` leave all as it was."""
        if dataset is None:
            return
        now = await look(fetch, dataset)
        goes_on = now.follows(self._last)
        seen, lists = (self._last.snapshot, self._lists) if goes_on else (NOTHING_SEEN, {})
        start = (oldest_unseen(seen), "", "")
        async for page in pages(fetch, _CHANGES, _PAGE_ROWS, ("txid", "name", "key"), start, dataset, seen):
            for row in page:
                if row["item_ids"]:
                    lists[row["name"], row["key"]] = LiveList(tuple(row["item_ids"]), tuple(row["scores"]))
                else:
                    lists.pop((row["name"], row["key"]), None)
        self._lists, self._last = lists, now

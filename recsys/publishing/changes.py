"""Reading from a Postgres table exactly what one has not seen yet, whatever order transactions commit in.

Rows carry the id of the transaction that wrote them. A follower remembers the Postgres snapshot of its last look
(`pg_current_snapshot()`); what has become visible since is what that snapshot does not show. No row is missed because a
slower transaction committed after a faster one, and none is read twice.

Deleted rows show in no snapshot. With a dataset all its rows go, so a follower also remembers when its dataset was
made: one that was made anew under the same name is another.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

NOW = "select pg_current_snapshot()::text as snapshot, clock_timestamp() as at"
NOTHING_SEEN = "1:1:"

_LOOK = """
select pg_current_snapshot()::text as snapshot,
       (select extract(epoch from created_at)::text from raw.datasets where name = $1) as made_at
"""

Row = Mapping[str, Any]
Fetch = Callable[..., Awaitable[Sequence[Row]]]  # async (sql, *params) -> rows, what an asyncpg pool's `fetch` is


class Look(NamedTuple):
    """At a dataset: when it was made (None: there is none), and the Postgres snapshot of the look."""

    dataset: str | None = None
    made_at: str | None = None
    snapshot: str = NOTHING_SEEN

    def follows(self, earlier: "Look") -> bool:
        """Whether what was seen then is the past of this; else it was another dataset, or another server."""
        return self[:2] == earlier[:2] and not is_ahead(earlier.snapshot, self.snapshot)


async def look(fetch: Fetch, dataset: str) -> Look:
    """Where to follow from the next time, taken before one reads."""
    now = (await fetch(_LOOK, dataset))[0]
    return Look(dataset, now["made_at"], now["snapshot"])


def oldest_unseen(snapshot: str) -> str:
    """Transactions below this id were all finished at `snapshot`."""
    return snapshot.split(":")[0]


def is_ahead(snapshot: str, other: str) -> bool:
    """Whether `snapshot` is later than `other`: when `other` is the server's present, it is not this server's."""
    return int(snapshot.split(":")[1]) > int(other.split(":")[1])


async def pages(
    fetch: Fetch, statement: str, rows: int, position: tuple[str, ...], start: tuple[Any, ...], *params: Any
) -> AsyncIterator[Sequence[Row]]:
    """All pages of a statement that is ordered by the columns `position`.

    Args:
        statement: its parameters are `start` (exclusive), then `params`, then the limit.
    """
    while True:
        page = await fetch(statement, *start, *params, rows)
        if page:
            yield page
        if len(page) < rows:
            return
        start = tuple(page[-1][column] for column in position)

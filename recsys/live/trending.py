"""What is looked at more than usual: the live list `trending`, made of the last half hour and a usual day.

score(i) = (n_i - e_i) / sqrt(e_i + 1), with n_i the shoppers who did something with i of late and e_i those who usually
do in so long a time: how many standard deviations of a Poisson count it is above the usual. Shoppers count, not events,
so that nobody makes a trend alone.
"""

import time
from datetime import timedelta

import asyncpg

from recsys.live.datasets import active_dataset
from recsys.publishing.live_lists import put_lists
from recsys.schema import EVENT_WEIGHTS

LIST = "trending"
SIZE = 200
RECENT, USUAL = timedelta(minutes=30), timedelta(hours=24)
MOST_EVENTS = 200_000  # in a busy shop the last half hour is cut to what so many events took
USUAL_EVERY_S = 600
LEAST_SHOPPERS = 2

_SHOPPERS = """
with events as (
    select item_id, coalesce(user_id, 'session:' || session_id) as shopper, clock_timestamp() - ingested_at as age
    from raw.collected_events
    where ingested_at > clock_timestamp() - $2::interval and dataset = $1 and event_type = any($3)
    order by ingested_at desc limit $4
),
span as (select case when count(*) < $4 then $2::interval else max(age) end as seen from events)
select item_id, (select extract(epoch from seen)::float8 from span) as seconds,
       count(distinct (shopper, floor(extract(epoch from age) / $5::float8))) as shoppers
from events group by item_id
having count(distinct shopper) >= $6
"""


class Trending:
    """The job; it remembers what is usual for some minutes, because that takes longer to find out."""

    def __init__(self) -> None:
        self._dataset: str | None = None
        self._usual: dict[str, float] = {}  # shoppers a second
        self._usual_at = 0.0

    async def run(self, pool: asyncpg.Pool) -> None:
        """Make the list anew."""
        dataset = await active_dataset(pool)
        if dataset is None:
            return
        if dataset != self._dataset or time.monotonic() > self._usual_at + USUAL_EVERY_S:
            rows = await self._shoppers(pool, dataset, USUAL, 5 * MOST_EVENTS)
            self._usual = {row["item_id"]: row["shoppers"] / row["seconds"] for row in rows}
            self._dataset, self._usual_at = dataset, time.monotonic()
        scores = {}
        for row in await self._shoppers(pool, dataset, RECENT, MOST_EVENTS):
            expected = self._usual.get(row["item_id"], 0.0) * row["seconds"]
            scores[row["item_id"]] = (row["shoppers"] - expected) / (expected + 1) ** 0.5
        best = sorted((pair for pair in scores.items() if pair[1] > 0), key=lambda pair: (-pair[1], pair[0]))[:SIZE]
        items = [item_id for item_id, _ in best]
        async with pool.acquire() as connection, connection.transaction():
            await put_lists(connection, dataset, LIST, {"": (items, [round(score, 2) for _, score in best])})

    async def _shoppers(
        self, pool: asyncpg.Pool, dataset: str, span: timedelta, most_events: int
    ) -> list[asyncpg.Record]:
        """By item how many shoppers there were in a span; who comes again in another half hour counts again."""
        kinds = [str(kind) for kind in EVENT_WEIGHTS]
        rows: list[asyncpg.Record] = await pool.fetch(
            _SHOPPERS, dataset, span, kinds, most_events, RECENT.total_seconds(), LEAST_SHOPPERS
        )
        return rows

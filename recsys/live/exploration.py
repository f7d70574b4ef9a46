"""What deserves to be tried: the live list `exploration`, by Thompson sampling on impressions and clicks.

Each candidate's click rate has a Beta distribution. A score is the probability that a draw from it is the best of all
candidates' draws, estimated by many draws. The service picks in proportion to the scores, which is Thompson sampling
(Chapelle, Li 2011, "An empirical evaluation of Thompson sampling") with the probability of every pick known.
"""

import asyncio
import time

import asyncpg
import numpy as np

from recsys.live.datasets import active_dataset
from recsys.publishing.changes import NOTHING_SEEN
from recsys.publishing.live_lists import put_lists

LIST = "exploration"
NEW_DAYS = 30
NEW_ITEMS, LITTLE_SHOWN = 200, 100  # candidates of each kind at most
ENOUGH_IMPRESSIONS = 1_000  # an item shown more often is known
DRAWS = 2_000
SAMPLE_EVERY_S = 600
PRIOR_IMPRESSIONS = 20.0  # how much the shop's own click rate weighs beside an item's
USUAL_RATE, LEAST_RATE, LARGEST_RATE = 0.05, 0.001, 0.5

# Rows that became visible since the last look, whatever order transactions committed in; those that merged into an
# account were counted when they came.
_COUNT = """
with position as (select seen, at from shop.feedback_position where dataset = $1),
counted as (
    select item_id, count(*) filter (where event_type = 'impression') as impressions,
           count(*) filter (where event_type <> 'impression') as clicks
    from raw.collected_events
    where dataset = $1 and placement is not null and event_type in ('impression', 'click', 'view') and not is_merged
      and ingested_at > coalesce((select at from position), '-infinity') - interval '5 minutes'
      and not pg_visible_in_snapshot(txid, coalesce((select seen from position), $2)::pg_snapshot)
    group by item_id
),
noted as (
    insert into shop.feedback_position (dataset, seen, at)
    values ($1, pg_current_snapshot()::text, clock_timestamp())
    on conflict (dataset) do update set seen = excluded.seen, at = excluded.at
)
insert into shop.item_feedback (dataset, item_id, impressions, clicks)
select $1, item_id, impressions, clicks from counted order by item_id
on conflict (dataset, item_id) do update
set impressions = item_feedback.impressions + excluded.impressions, clicks = item_feedback.clicks + excluded.clicks
"""
_NEW = """
select product_id from shop.products
where dataset = $1 and created_at > clock_timestamp() - make_interval(days => $2)
order by created_at desc limit $3
"""
# Others every time, so that in the end all of the catalogue gets its chance.
_SAMPLE = """
select item_id from recs.item_state where dataset = $1 and is_available and not is_hidden
order by md5(item_id || $2::text) limit $3
"""
_FEEDBACK = """
select state.item_id, coalesce(impressions, 0) as impressions, coalesce(clicks, 0) as clicks
from recs.item_state as state left join shop.item_feedback as feedback using (dataset, item_id)
where dataset = $1 and state.item_id = any($2) and is_available and not is_hidden
  and coalesce(impressions, 0) < $3
order by state.item_id
"""
_RATE = "select sum(clicks)::float8 / nullif(sum(impressions), 0) from shop.item_feedback where dataset = $1"


class Exploration:
    """The job; it keeps a sample of little-shown items for some minutes."""

    def __init__(self) -> None:
        self._dataset: str | None = None
        self._sample: list[str] = []
        self._sampled_at = 0.0

    async def run(self, pool: asyncpg.Pool) -> None:
        """Count what was shown and clicked since, and make the list anew."""
        dataset = await active_dataset(pool)
        if dataset is None:
            return
        await pool.execute(_COUNT, dataset, NOTHING_SEEN)
        if dataset != self._dataset or time.monotonic() > self._sampled_at + SAMPLE_EVERY_S:
            rows = await pool.fetch(_SAMPLE, dataset, str(time.time_ns()), LITTLE_SHOWN)
            self._dataset, self._sample, self._sampled_at = dataset, [row[0] for row in rows], time.monotonic()
        new = [row[0] for row in await pool.fetch(_NEW, dataset, NEW_DAYS, NEW_ITEMS)]
        rows = await pool.fetch(_FEEDBACK, dataset, [*new, *self._sample], ENOUGH_IMPRESSIONS)
        items = [row["item_id"] for row in rows]
        rate = await pool.fetchval(_RATE, dataset)
        chances = await asyncio.to_thread(
            chances_to_be_best,
            np.array([row["impressions"] for row in rows], dtype=float),
            np.array([row["clicks"] for row in rows], dtype=float),
            USUAL_RATE if rate is None else rate,
        )
        best = sorted(zip(items, chances.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
        async with pool.acquire() as connection, connection.transaction():
            lists = {"": ([item_id for item_id, _ in best], [chance for _, chance in best])}
            await put_lists(connection, dataset, LIST, lists)


def chances_to_be_best(impressions: np.ndarray, clicks: np.ndarray, rate: float) -> np.ndarray:
    """For every candidate the probability that Thompson sampling picks it; all are above 0 and add up to 1.

    Args:
        impressions, clicks: of each candidate, shape (n,).
        rate: the shop's click rate, from which candidates start.
    """
    count = len(impressions)
    if not count:
        return np.zeros(0)
    rate = min(max(rate, LEAST_RATE), LARGEST_RATE)
    clicked = np.minimum(clicks, impressions)
    # Seeded, so that a list only changes when something was shown or clicked.
    draws = np.random.default_rng(0).beta(
        PRIOR_IMPRESSIONS * rate + clicked,
        PRIOR_IMPRESSIONS * (1 - rate) + impressions - clicked,
        size=(DRAWS, count),
    )
    wins = np.bincount(draws.argmax(axis=1), minlength=count)
    return (wins + 0.5) / (DRAWS + 0.5 * count)

"""Hit rates of a day, estimated from a sample of the answers whose `recommendation_id` came back with an event.

An answer is a *hit@k* when one of its first k items was opened from it, a *future hit@k* when one of them was opened,
put in the cart or bought by the same shopper within some hours, whichever way the shopper came there.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg

from recsys.placements import token
from recsys.settings import ReportSettings

# One row an answer, chosen by a hash so that every run takes the same ones.
_SAMPLE = """
select recommendation_id, max(user_id) as user_id, max(session_id) as session_id,
       array_agg(distinct item_id) filter (where event_type in ('click', 'view')) as opened
from raw.collected_events
where dataset = $1 and timestamp_ms >= $2 and timestamp_ms < $3 and placement is not null
group by recommendation_id order by md5(recommendation_id) limit $4
"""
# What shoppers did from a moment on; two branches, as each has an index.
_LATER = """
select asked.place, array_agg(distinct later.item_id) as items
from unnest($2::int[], $3::text[], $4::text[], $5::bigint[]) as asked (place, user_id, session_id, since)
cross join lateral (
    select item_id from raw.collected_events e
    where e.dataset = $1 and e.user_id = asked.user_id
      and e.timestamp_ms >= asked.since and e.timestamp_ms < asked.since + $6
      and e.event_type in ('view', 'click', 'add_to_cart', 'purchase')
    union all
    select item_id from raw.collected_events e
    where e.dataset = $1 and e.user_id is null and e.session_id = asked.session_id
      and e.timestamp_ms >= asked.since and e.timestamp_ms < asked.since + $6
      and e.event_type in ('view', 'click', 'add_to_cart', 'purchase')
) later
group by asked.place
"""

Key = tuple[str, str, int]  # placement, source ('' is the whole answer), version


@dataclass
class Hits:
    """How many answers were judged, and how many of them were hits."""

    judged: Counter[Key]
    hits: Counter[Key]
    future_hits: Counter[Key]


async def count_hits(pool: asyncpg.Pool, dataset: str, day_ms: tuple[int, int], settings: ReportSettings) -> Hits:
    """Judge answers that were told of within `day_ms` (from, to; milliseconds)."""
    rows = await pool.fetch(_SAMPLE, dataset, *day_ms, settings.sample)
    answers = [(row, answer) for row in rows if (answer := token.read(row["recommendation_id"])) is not None]
    places = list(range(len(answers)))
    users, sessions = [row["user_id"] for row, _ in answers], [row["session_id"] for row, _ in answers]
    since = [answer.made_at_ms for _, answer in answers]
    horizon = round(settings.future_hours * 3_600_000)
    later = {
        row["place"]: row["items"] for row in await pool.fetch(_LATER, dataset, places, users, sessions, since, horizon)
    }
    found = Hits(Counter(), Counter(), Counter())
    for place, (row, answer) in enumerate(answers):
        found.judged.update(_keys(answer, settings.k))
        found.hits.update(_keys(answer, settings.k, row["opened"] or ()))
        found.future_hits.update(_keys(answer, settings.k, later.get(place, ())))
    return found


def _keys(answer: token.Answer, k: int, items: Sequence[str] | None = None) -> set[Key]:
    """The answer as a whole and the sources within its first k items; of these only what `items` are from."""
    sources = list(_first_sources(answer, k)) if items is None else []
    for item_id in items or ():
        rank, origin = answer.rank(item_id), answer.origin(item_id)
        if origin is not None and rank is not None and rank <= k:
            sources.append(origin.source)
    return {(answer.placement, source, answer.version) for source in [*sources, ""]} if sources else set()


def _first_sources(answer: token.Answer, k: int) -> Iterator[str]:
    for (source, _), _ in zip(answer.items.values(), range(k), strict=False):
        yield source

"""Rolls collected events up into `ops.performance`: per day, placement, source and version, what answers brought.

A day is made anew whenever events of it have arrived or were retracted, so late events count, what was taken back does
not, and a run that was cut off does no harm.
"""

import json
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg

from recsys.live.hits import Key, count_hits
from recsys.settings import ReportSettings, load

# Longer than any transaction that adds events may take: what it adds carries the time of its beginning.
OVERLAP = timedelta(minutes=2)
WHOLE_DAY: Key = ("", "", 0)
_DAY_MS = 86_400_000

_NEWS = """
with last as (
    select coalesce(max(made_at) - $2::interval, '-infinity') as made_at from ops.performance where dataset = $1
)
select (timestamp_ms / 86400000)::int as day from raw.collected_events
where dataset = $1 and (placement is not null or event_type = 'purchase') and ingested_at > (select made_at from last)
union
select (timestamp_ms / 86400000)::int from raw.retractions
where dataset = $1 and retracted_at > (select made_at from last)
"""
# An item that was seen or opened twice in one answer counts once; a view that carries its answer's id is a click.
_SHOWN = """
select placement, coalesce(source, '') as source, version,
       count(distinct (recommendation_id, item_id)) filter (where event_type = 'impression') as impressions,
       count(distinct (recommendation_id, item_id)) filter (where event_type in ('click', 'view')) as clicks,
       count(distinct item_id) filter (where event_type = 'impression') as items
from raw.collected_events
where dataset = $1 and timestamp_ms >= $2 and timestamp_ms < $3 and placement is not null
group by placement, version, grouping sets ((source), ())
"""
# A purchase that names its answer counts for that; any other for the shopper's newest click on the item.
_BOUGHT = """
with bought as (
    select p.price * coalesce(p.quantity, 1) as paid,
           case when named then p.placement else c.placement end as placement,
           case when named then p.source else c.source end as source,
           case when named then p.version else c.version end as version
    from raw.collected_events p
    cross join lateral (
        select case when p.placement is null then false -- else the id is a token, and begins with its time
            else p.timestamp_ms <= $4 + ('x' || left(replace(p.recommendation_id, '-', ''), 12))::bit(48)::bigint
            end as named
    ) as own
    left join lateral (
        select * from (
            select timestamp_ms, placement, source, version from raw.collected_events c
            where c.dataset = $1 and c.user_id = p.user_id and c.item_id = p.item_id and c.placement is not null
              and c.event_type in ('click', 'view') and c.timestamp_ms between p.timestamp_ms - $4 and p.timestamp_ms
            union all
            select timestamp_ms, placement, source, version from raw.collected_events c
            where c.dataset = $1 and c.user_id is null and c.session_id = p.session_id and c.item_id = p.item_id
              and c.placement is not null and c.event_type in ('click', 'view')
              and c.timestamp_ms between p.timestamp_ms - $4 and p.timestamp_ms
        ) clicks order by timestamp_ms desc limit 1
    ) c on not named
    where p.dataset = $1 and p.timestamp_ms >= $2 and p.timestamp_ms < $3 and p.event_type = 'purchase'
)
select coalesce(placement, '') as placement, coalesce(source, '') as source, coalesce(version, 0) as version,
       count(*) as bought, coalesce(sum(paid), 0)::float8 as paid
from bought group by grouping sets ((placement, source, version), (placement, version), ())
having not (grouping(placement) = 0 and placement is null)
"""
_CATALOGUE = "select count(*) from recs.item_state where dataset = $1 and is_available and not is_hidden"
_CLEAR = "delete from ops.performance where dataset = $1 and day = $2"
_WRITE = """
insert into ops.performance (dataset, day, placement, source, version, figures, made_at)
select $1, $2, figure.*, $7 from unnest($3::text[], $4::text[], $5::bigint[], $6::jsonb[]) figure
"""
_FORGET = ("delete from ops.performance where day < $1", "delete from ops.served where day < $1")


async def roll_up(pool: asyncpg.Pool) -> None:
    """Make the figures of every day anew that has news, and forget days that are too old."""
    settings = load(ReportSettings)
    dataset = await pool.fetchval("select name from raw.datasets where is_active")
    if dataset is None:
        return
    now = await pool.fetchval("select clock_timestamp()")
    oldest = now.date() - timedelta(days=settings.keep_days)
    news = {date(1970, 1, 1) + timedelta(days=row["day"]) for row in await pool.fetch(_NEWS, dataset, OVERLAP)}
    # What is done today makes future hits of yesterday's answers.
    days = news | {day - timedelta(days=1) for day in news}
    for day in sorted(day for day in days if oldest <= day <= now.date()):
        await roll_up_day(pool, dataset, day, settings, now)
    for statement in _FORGET:
        await pool.execute(statement, oldest)


async def roll_up_day(pool: asyncpg.Pool, dataset: str, day: date, settings: ReportSettings, now: datetime) -> None:
    """Replace the figures of one day, which begins and ends at midnight UTC."""
    start = round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
    bounds = start, start + _DAY_MS
    figures: dict[Key, dict[str, Any]] = defaultdict(dict)
    catalogue = await pool.fetchval(_CATALOGUE, dataset)
    for row in await pool.fetch(_SHOWN, dataset, *bounds):
        figures[_key(row)] |= {"impressions": row["impressions"], "clicks": row["clicks"], "items": row["items"]}
    window = round(settings.attribution_days * _DAY_MS)
    # The whole day first, though nothing was bought: its row says until when events have been looked at.
    figures[WHOLE_DAY] |= {"purchases": 0, "turnover": 0.0}
    for row in await pool.fetch(_BOUGHT, dataset, *bounds, window):
        names = ("purchases", "turnover") if _key(row) == WHOLE_DAY else ("conversions", "revenue")
        figures[_key(row)] |= dict(zip(names, (row["bought"], row["paid"]), strict=True))
    hits = await count_hits(pool, dataset, bounds, settings)
    for key, judged in hits.judged.items():
        figures[key] |= {"judged": judged, "hits": hits.hits[key], "future_hits": hits.future_hits[key]}
    placements, sources, versions = zip(*figures, strict=True)
    documents = [json.dumps(found | {"catalogue": catalogue, "k": settings.k}) for found in figures.values()]
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_CLEAR, dataset, day)
        await connection.execute(_WRITE, dataset, day, placements, sources, versions, documents, now)


def _key(row: asyncpg.Record) -> Key:
    return row["placement"], row["source"], row["version"]

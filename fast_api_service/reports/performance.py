"""What recommendations brought: answers counted by the workers beside the rollups of events, added up as asked."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Any

import asyncpg
import orjson

from fast_api_service.reports.served import WHOLE_ANSWER


class Grouping(StrEnum):
    """What a row of the report stands for, beside placement and source."""

    DAY = "day"
    VERSION = "version"
    TOTAL = "total"


_COLUMN = {Grouping.DAY: "day", Grouping.VERSION: "version", Grouping.TOTAL: "null::date"}
_COUNTS = ("impressions", "clicks", "conversions", "judged", "hits", "future_hits")
_PERFORMANCE = """
select {column} as part, placement, source,
       {counts},
       sum((figures->>'revenue')::float8) as revenue,
       max((figures->>'items')::float8 / nullif((figures->>'catalogue')::float8, 0)) as coverage
from ops.performance
where dataset = $1 and day between $2 and $3 and placement <> '' and ($4::text is null or placement = $4)
group by part, placement, source
"""
_SERVED = """
select {column} as part, placement, source, sum(shown)::bigint as shown,
       jsonb_agg(phases) filter (where phases <> '{{}}')::text as phases
from ops.served
where dataset = $1 and day between $2 and $3 and ($4::text is null or placement = $4)
group by part, placement, source
"""
_SHOP = """
select coalesce(sum((figures->>'purchases')::bigint), 0)::bigint as purchases,
       coalesce(sum((figures->>'turnover')::float8), 0) as turnover, max(made_at) as made_at
from ops.performance where dataset = $1 and day between $2 and $3 and placement = ''
"""

Group = tuple[Any, str, str]  # day or version, placement, source


async def performance(
    pool: asyncpg.Pool, dataset: str, start: date, end: date, by: Grouping, placement: str | None
) -> dict[str, Any]:
    """The document of `schemas.Performance`."""
    column = _COLUMN[by]
    counts = ", ".join(f"sum((figures->>'{name}')::bigint)::bigint as {name}" for name in _COUNTS)
    scope = dataset, start, end, placement
    told = await pool.fetch(_PERFORMANCE.format(column=column, counts=counts), *scope)
    served = await pool.fetch(_SERVED.format(column=column), *scope)
    shop = await pool.fetchrow(_SHOP, dataset, start, end)
    groups: dict[Group, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
    for row in served:
        groups[_group(row)] = row, {}
    for row in told:
        groups[_group(row)] = groups.get(_group(row), ({}, {}))[0], row
    ordered = sorted(groups, key=lambda group: (group[0] is not None, group[0], *group[1:]))
    return {
        "from": start,
        "to": end,
        "rolled_up_at": shop["made_at"],
        "purchases": shop["purchases"],
        "turnover": shop["turnover"],
        "rows": [_row(group, by, *groups[group]) for group in ordered],
    }


def _group(row: asyncpg.Record) -> Group:
    return row["part"], row["placement"], row["source"]


def _row(group: Group, by: Grouping, served: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    part, placement, source = group
    counts = {name: told.get(name) or 0 for name in _COUNTS}
    shown = served.get("shown", 0)
    whole = source == WHOLE_ANSWER
    return {
        "day": part if by is Grouping.DAY else None,
        "version": part if by is Grouping.VERSION else None,
        "placement": placement,
        "source": None if whole else source,
        "predictions": shown if whole else None,
        "items_shown": None if whole else shown,
        **counts,
        "ctr": _share(counts["clicks"], counts["impressions"]),
        "hit_rate": _share(counts["hits"], counts["judged"]),
        "future_hit_rate": _share(counts["future_hits"], counts["judged"]),
        "coverage": told.get("coverage"),
        "revenue": told.get("revenue") or 0.0,
        "phases": _phases(served.get("phases")),
    }


def _share(part: int, whole: int) -> float | None:
    # More clicks than impressions means that impressions are not reported for all of them.
    return min(part / whole, 1.0) if whole else None


def _phases(documents: str | None) -> dict[str, dict[str, float]]:
    told: dict[str, list[dict[str, float]]] = {}
    for document in orjson.loads(documents or "[]"):
        for name, phase in document.items():
            told.setdefault(name, []).append(phase)
    return {
        name: {
            "average_ms": 1000 * sum(phase["sum"] for phase in found) / sum(phase["count"] for phase in found),
            "longest_ms": 1000 * max(phase["max"] for phase in found),
        }
        for name, found in told.items()
    }

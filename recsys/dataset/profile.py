"""`profile.json`: what a prepared dataset is made of, for summaries, dashboards and doubtful readers."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from recsys.schema import Columns


def describe(
    events: pl.LazyFrame,
    items: pl.DataFrame,
    *,
    now_ms: int,
    rejected: dict[str, dict[str, int]],
    property_shares: dict[str, float],
    undescribed: pl.Series,
    categories: int,
) -> dict[str, Any]:
    """Plain JSON.

    Args:
        rejected: per raw table, rows left out by reason.
        property_shares: share of the described items that have each property.
        undescribed: items that have events but no properties.
    """
    unknown = pl.col(Columns.ITEM).is_in(undescribed.implode())
    facts = events.select(
        pl.len().alias("events"),
        pl.col(Columns.USER).n_unique().alias("users"),
        pl.col(Columns.SESSION).n_unique().alias("sessions"),
        pl.col(Columns.TIMESTAMP).min().alias("first"),
        pl.col(Columns.TIMESTAMP).max().alias("last"),
        unknown.sum().alias("unknown"),
    ).collect(engine="streaming")
    found = facts.row(0, named=True)
    kinds = events.group_by(Columns.EVENT_TYPE).len().sort(Columns.EVENT_TYPE).collect(engine="streaming")
    return {
        "now": datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "counts": {
            "events": found["events"],
            "users": found["users"],
            "sessions": found["sessions"],
            "items": items.height,
            "items_without_properties": len(undescribed),
            "events_of_items_without_properties": found["unknown"] or 0,
            "categories": categories,
        },
        "events_by_type": dict(kinds.iter_rows()),
        "time_range": {"first": found["first"].isoformat(), "last": found["last"].isoformat()},
        "shares": {
            "available": _share(items, pl.col(Columns.IS_AVAILABLE)),
            "with_category": _share(items, pl.col(Columns.CATEGORY).is_not_null()),
            "with_price": _share(items, pl.col(Columns.PRICE).is_not_null()),
            "with_title": _share(items, pl.col(Columns.TITLE).is_not_null()),
        },
        "property_shares": {name: round(share, 4) for name, share in property_shares.items()},
        "rejected": rejected,
    }


def _share(items: pl.DataFrame, condition: pl.Expr) -> float:
    return round(float(items.select(condition.mean()).item() or 0), 4)

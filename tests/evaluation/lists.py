"""Frames that tests of evaluation are made of."""

from datetime import UTC, datetime, timedelta

import polars as pl

from recsys.models.base import INTERACTIONS, RECOMMENDATIONS

START = datetime(2026, 1, 1, tzinfo=UTC)


def pairs(rows: list[tuple[str, str]]) -> pl.DataFrame:
    """`user_id, item_id`."""
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String}, orient="row")


def scored(lists: dict[str, list[tuple[str, float]]]) -> pl.DataFrame:
    """Recommendations: each user's items with their scores, best first."""
    rows = [(user, item, score, rank) for user, items in lists.items() for rank, (item, score) in enumerate(items, 1)]
    return pl.DataFrame(rows, schema=RECOMMENDATIONS, orient="row")


def interactions(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    """Interactions of rating 1 from `user, item, days after START`."""
    full = [(user, item, START + timedelta(days=day), 1.0) for user, item, day in rows]
    return pl.DataFrame(full, INTERACTIONS, orient="row")

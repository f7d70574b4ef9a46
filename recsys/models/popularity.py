"""What is popular now: events count by their rating, and less the older they are."""

from datetime import datetime, timedelta
from typing import Self

import polars as pl

from recsys.models.base import check_interactions
from recsys.models.same_for_all import SameForAll
from recsys.models.sums import exact_sum
from recsys.schema import Columns


def popularity(events: pl.LazyFrame, *, now: datetime, half_life_days: float) -> pl.DataFrame:
    """`item_id, score f64`: the sum of rating · 2^(-age / half-life) over an item's events, best first.

    Ties are in order of item id, so equal data give equal lists.
    """
    half_lives = (pl.lit(now) - pl.col(Columns.TIMESTAMP)) / timedelta(days=half_life_days)
    weight = pl.col(Columns.RATING).cast(pl.Float64) * 0.5**half_lives
    return (
        events.group_by(Columns.ITEM)
        .agg(exact_sum(weight).alias(Columns.SCORE))
        .sort(Columns.SCORE, Columns.ITEM, descending=[True, False])
        .collect(engine="streaming")
    )


def best_by_category(scores: pl.DataFrame, items: pl.DataFrame, categories: pl.DataFrame, k: int) -> pl.DataFrame:
    """The best `k` items of every category, those of its descendants included.

    Args:
        scores: `item_id, score`, best first.
        items: `item_id, category_id`; the items that may be listed. Those without a score follow with score 0.
        categories: `category_id, path`, see `dataset.prepared.CATEGORIES`.

    Returns:
        `category_id, item_id, score, rank`, sorted by category and rank.
    """
    ancestors = categories.select(Columns.CATEGORY, pl.col("path").alias("listed_in"))
    listed = with_scores(scores, items).join(ancestors, on=Columns.CATEGORY).explode("listed_in")
    best = listed.group_by("listed_in", maintain_order=True).head(k)
    return best.select(
        pl.col("listed_in").alias(Columns.CATEGORY),
        Columns.ITEM,
        Columns.SCORE,
        pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over("listed_in").alias(Columns.RANK),
    ).sort(Columns.CATEGORY, Columns.RANK)


def with_scores(scores: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """`items` with their score, best first; items without events have score 0 and come last, in order of item id."""
    return (
        items.join(scores, on=Columns.ITEM, how="left")
        .with_columns(pl.col(Columns.SCORE).fill_null(0.0))
        .sort(Columns.SCORE, Columns.ITEM, descending=[True, False])
    )


class Popularity(SameForAll):
    """Recommends the same items to everyone; the yardstick for every other model."""

    name = "popularity"

    def __init__(self, half_life_days: float = 7.0) -> None:
        self.half_life_days = half_life_days

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        events = check_interactions(interactions).lazy()
        self._scores = popularity(events, now=now, half_life_days=self.half_life_days)
        return self

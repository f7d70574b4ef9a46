"""What is popular now: events count by their rating, and less the older they are."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

import polars as pl

from recsys.models.base import NEIGHBOURS, RECOMMENDATIONS, Recommender, check_interactions
from recsys.schema import Columns


def popularity(events: pl.LazyFrame, *, now: datetime, half_life_days: float) -> pl.DataFrame:
    """`item_id, score f64`: the sum of rating · 2^(-age / half-life) over an item's events, best first.

    Ties are in order of item id, so equal data give equal lists.
    """
    half_lives = (pl.lit(now) - pl.col(Columns.TIMESTAMP)) / timedelta(days=half_life_days)
    weight = pl.col(Columns.RATING).cast(pl.Float64) * 0.5**half_lives
    return (
        events.group_by(Columns.ITEM)
        # Sums of the same numbers in another order differ in their last bits, which must not decide between items.
        .agg(weight.sum().round_sig_figs(9).alias(Columns.SCORE))
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


class Popularity(Recommender):
    """Recommends the same items to everyone; the yardstick for every other model."""

    name = "popularity"

    def __init__(self, half_life_days: float = 7.0) -> None:
        self.half_life_days = half_life_days
        self._scores: pl.DataFrame | None = None

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        events = check_interactions(interactions).lazy()
        self._scores = popularity(events, now=now, half_life_days=self.half_life_days)
        return self

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        histories = check_interactions(histories, may_be_empty=True)
        scores = self._fitted(self._scores)
        if allowed_items is not None:
            scores = scores.filter(pl.col(Columns.ITEM).is_in(allowed_items))
        users = histories.select(pl.col(Columns.USER).unique()).sort(Columns.USER)
        return _best_for_each(users, scores, k, exclude).cast(RECOMMENDATIONS)

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        scores = self._fitted(self._scores)
        known = scores.select(Columns.ITEM).filter(pl.col(Columns.ITEM).is_in(item_ids)).sort(Columns.ITEM)
        keys = known.rename({Columns.ITEM: "key"})
        itself = keys.with_columns(pl.col("key").alias(Columns.ITEM))
        return (
            _best_for_each(keys, scores, k, itself)
            .select(
                pl.col("key").alias(Columns.ITEM),
                pl.col(Columns.ITEM).alias(Columns.SIMILAR_ITEM),
                Columns.SCORE,
                Columns.RANK,
            )
            .cast(NEIGHBOURS)
        )

    def save(self, folder: Path) -> None:
        self._fitted(self._scores).write_parquet(folder / "popularity.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls()
        model._scores = pl.read_parquet(folder / "popularity.parquet")
        return model


def _best_for_each(keys: pl.DataFrame, scores: pl.DataFrame, k: int, exclude: pl.DataFrame | None) -> pl.DataFrame:
    """The best `k` items for each key (a one-column frame), without its excluded pairs: key, item, score, rank.

    A key reads as far down the list as its exclusions can make necessary, so the work is keys · k plus exclusions.
    """
    key = keys.columns[0]
    best = scores.with_row_index("place")
    if exclude is None:
        exclude = pl.DataFrame(schema={key: pl.String, Columns.ITEM: pl.String})
    exclude = exclude.select(key, Columns.ITEM).unique()
    depth = pl.min_horizontal(pl.col("len").fill_null(0) + k, scores.height)
    candidates = (
        keys.join(exclude.group_by(key).len(), on=key, how="left", maintain_order="left")
        .select(key, pl.int_ranges(0, depth, dtype=pl.UInt32).alias("place"))
        .explode("place", empty_as_null=False)
        .join(best, on="place", maintain_order="left")
        .join(exclude, on=[key, Columns.ITEM], how="anti", maintain_order="left")
    )
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(key)
    return candidates.with_columns(rank.alias(Columns.RANK)).filter(pl.col(Columns.RANK) <= k).drop("place")

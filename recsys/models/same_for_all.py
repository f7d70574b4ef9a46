"""What is common to the models that have one list for everybody."""

from pathlib import Path
from typing import Self

import polars as pl

from recsys.models.base import NEIGHBOURS, RECOMMENDATIONS, Recommender, check_interactions
from recsys.schema import Columns


class SameForAll(Recommender):
    """Recommends the same items to everyone, and as an item's neighbours; `fit` sets `_scores`.

    Attributes:
        _scores: `item_id, score`, best first.
    """

    _scores: pl.DataFrame | None = None

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
        self._fitted(self._scores).write_parquet(folder / f"{self.name}.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls()
        model._scores = pl.read_parquet(folder / f"{cls.name}.parquet")
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

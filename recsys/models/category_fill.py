"""Fills short lists: with what is popular in an item's category, then in its ancestors, then in the whole shop."""

from typing import NamedTuple

import numpy as np
import polars as pl

from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.neighbours import places
from recsys.models.popularity import best_by_category, with_scores
from recsys.schema import WHOLE_SHOP, Columns


class Filled(NamedTuple):
    """The entries of some lists one after another, as parallel arrays.

    Attributes:
        row: which list an entry belongs to.
        place: its place in the list given, or -1 if it was filled in.
        item: its item's code.
        category: code of the category (in `CategoryFill.categories`) it was filled in from; `UNKNOWN` if it was not.
    """

    row: np.ndarray
    place: np.ndarray
    item: np.ndarray
    category: np.ndarray


class CategoryFill:
    """What to fill lists with, category by category.

    Attributes:
        categories: all categories and `WHOLE_SHOP`.
    """

    def __init__(
        self, catalogue: IdMap, available: pl.DataFrame, scores: pl.DataFrame, categories: pl.DataFrame, size: int
    ) -> None:
        """Prepare lists of every category.

        Args:
            available: `item_id, category_id`; the items to fill with.
            scores: popularity, `item_id, score`, best first.
            categories: `category_id, path`, see `dataset.prepared.CATEGORIES`.
            size: length of a full list.
        """
        self.categories = IdMap(pl.concat([categories[Columns.CATEGORY], pl.Series([WHOLE_SHOP])]))
        self._size = size
        # One more than a list holds, as an item never fills its own list.
        shop = with_scores(scores, available).head(size + 1).with_columns(pl.lit(WHOLE_SHOP).alias("source"))
        by_category = best_by_category(scores, available, categories, size + 1)
        best = pl.concat(
            [
                shop.select("source", Columns.ITEM),
                by_category.select(pl.col(Columns.CATEGORY).alias("source"), Columns.ITEM),
            ]
        )
        chains = pl.concat(
            [
                categories.select(Columns.CATEGORY, pl.concat_list("path", pl.lit([WHOLE_SHOP])).alias("source")),
                pl.DataFrame({Columns.CATEGORY: [WHOLE_SHOP], "source": [[WHOLE_SHOP]]}),
            ]
        )
        chosen = (
            chains.explode("source")
            .join(best, on="source", maintain_order="left_right")
            .unique([Columns.CATEGORY, Columns.ITEM], keep="first", maintain_order=True)
            .sort(Columns.CATEGORY, maintain_order=True)
        )
        row = self.categories.codes(chosen[Columns.CATEGORY])
        place = places(row)
        kept = place <= size
        self._items, self._sources = (np.full((len(self.categories), size + 1), UNKNOWN, np.int32) for _ in range(2))
        self._items[row[kept], place[kept]] = catalogue.codes(chosen[Columns.ITEM])[kept]
        self._sources[row[kept], place[kept]] = self.categories.codes(chosen["source"])[kept]

    def complete(self, lists: np.ndarray, owners: np.ndarray, categories: pl.Series) -> Filled:
        """Fill each list up; nothing comes twice in a list, and never its owner.

        Args:
            lists: item codes, a list a row, `UNKNOWN` after the last entry.
            owners: the item that each list belongs to.
            categories: the owners' categories; null for none.
        """
        category = self.categories.codes(categories.fill_null(WHOLE_SHOP))
        candidates = np.hstack([lists, self._items[category]])
        order = np.argsort(candidates, axis=1, kind="stable")
        ordered = np.take_along_axis(candidates, order, axis=1)
        repeated = np.zeros(candidates.shape, bool)
        np.put_along_axis(repeated, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        kept = (candidates != UNKNOWN) & (candidates != owners[:, None]) & ~repeated
        kept &= np.cumsum(kept, axis=1) <= self._size
        row, column = np.nonzero(kept)
        own = column < lists.shape[1]
        source = np.full(len(row), UNKNOWN, np.int32)
        source[~own] = self._sources[category[row[~own]], column[~own] - lists.shape[1]]
        return Filled(row, np.where(own, column, -1), candidates[row, column], source)

"""What is common to the models that score the whole catalogue for a user: fold-in, exclusion and the best of it.

Scores are made for so many users at a time that they fit a fixed memory, on all cores; nothing of size users by items
is ever held.
"""

import os
from abc import abstractmethod
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
from scipy import sparse

from recsys.models.base import NEIGHBOURS, RECOMMENDATIONS, Recommender, check_interactions
from recsys.models.id_map import IdMap
from recsys.models.matrices import history_matrix, known_codes, pair_matrix, ranked_frame, unit_rows
from recsys.schema import Columns

# Scores held at a time by each core, 4 bytes each.
_SCORES_AT_A_TIME = 16_000_000


class ScoringModel(Recommender):
    """A model that maps rows of history weights to scores of all items; above 0 is a recommendation.

    Attributes:
        history_decay: weight of a history's item per newer moment of the same history; 1 lets all count alike.
        rating_power: how much ratings and repetitions count, see `history_matrix`; at 0 they do not.
    """

    history_decay: float = 1.0
    rating_power: float = 0.0
    _items: IdMap | None = None

    @abstractmethod
    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        """Scores float32 (users, items) from weights (users, items); a new array, which the caller may change."""

    def _rows(self, histories: pl.DataFrame, users: IdMap, items: IdMap) -> sparse.csr_matrix:
        """Histories in the form that `_scores` takes, a row a user."""
        return history_matrix(histories, users, items, self.history_decay, self.rating_power)

    @property
    def size(self) -> int:
        """How many items the model knows."""
        return len(self._fitted(self._items))

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        items = self._fitted(self._items)
        histories = check_interactions(histories, may_be_empty=True)
        users = IdMap(histories[Columns.USER])
        weights = self._rows(histories, users, items)
        banned = pair_matrix(exclude, users, items) if exclude is not None else None
        allowed = known_codes(items, allowed_items) if allowed_items is not None else None
        parts = [
            ranked_frame(RECOMMENDATIONS, users.names(rows), items, codes, scores, 0.0)
            for rows, codes, scores in self._best(weights, k, banned, allowed)
        ]
        return pl.concat([RECOMMENDATIONS.to_frame(), *parts])

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        """What is recommended to a shopper whose whole history is the item; see `Recommender.similar`."""
        items = self._fitted(self._items)
        wanted = known_codes(items, item_ids)
        itself = unit_rows(wanted, len(items))
        parts = [
            ranked_frame(NEIGHBOURS, items.names(wanted[rows]), items, codes, scores, 0.0)
            for rows, codes, scores in self._best(itself, k, itself, None)
        ]
        return pl.concat([NEIGHBOURS.to_frame(), *parts])

    def _best(
        self, weights: sparse.csr_matrix, k: int, banned: sparse.csr_matrix | None, allowed: np.ndarray | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Some rows at a time: their numbers, the codes of their best k items and the scores, best first."""
        # Rows without a known item would score 0 throughout.
        rows = np.flatnonzero(np.diff(weights.indptr))
        step = max(1, _SCORES_AT_A_TIME // self.size)
        blocks = [rows[start : start + step] for start in range(0, len(rows), step)]

        def best(block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            scores = self._scores(weights[block])
            if banned is not None:
                left_out = banned[block].tocoo()
                scores[left_out.row, left_out.col] = 0.0
            if allowed is None:
                return block, *top(scores, k)
            codes, values = top(scores[:, allowed], k)
            return block, allowed[codes], values

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            yield from pool.map(best, blocks)


def top(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the k largest scores of each row, best first; equal ones in order of column.

    Scores of 0 or less, which say nothing, come out in any order, below 0; `scores` is changed accordingly.
    """
    k = min(k, scores.shape[1])
    # Selection by comparisons takes ten times as long where most scores are the same, as 0 often is: make them differ.
    np.copyto(scores, -np.arange(1, scores.shape[1] + 1, dtype=np.float32), where=scores <= 0)
    if k < scores.shape[1]:
        columns = np.sort(np.argpartition(scores, scores.shape[1] - k, axis=1)[:, -k:], axis=1)
    else:
        columns = np.broadcast_to(np.arange(k), scores.shape)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(values, order, axis=1)

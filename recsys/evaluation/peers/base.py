"""Other packages' models, measured as ours are: the same split, the same exclusions, the same metrics.

They answer for the users they were fitted with, as their packages do by themselves; all protocols but that of sessions
judge such users only.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import ClassVar, Self

import numpy as np
import polars as pl
from scipy import sparse

from recsys.errors import BadInputError, NotReadyError
from recsys.models.base import RECOMMENDATIONS, check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.inner_product import EMPTY
from recsys.models.matrices import matrix, pair_matrix, ranked_frame
from recsys.schema import Columns


class Peer(ABC):
    """A model of another package behind what an evaluation asks of a model."""

    name: ClassVar[str]
    _users: IdMap | None = None
    _items: IdMap | None = None
    _weights: sparse.csr_matrix

    def describe(self, items: pl.DataFrame) -> Self:
        """What is known of items is nothing to these models."""
        return self

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn from log2(1 + Σ rating) of each pair of user and item: 1 for what was done once."""
        frame = check_interactions(interactions, until=now)
        users, items = IdMap(frame[Columns.USER]), IdMap(frame[Columns.ITEM])
        weight = (pl.col(Columns.RATING).sum() + 1).log(2).alias("weight")
        pairs = frame.group_by(Columns.USER, Columns.ITEM).agg(weight).filter(pl.col("weight") > 0)
        coded = pl.DataFrame(
            {
                "user": users.codes(pairs[Columns.USER]),
                "item": items.codes(pairs[Columns.ITEM]),
                "weight": pairs["weight"],
            }
        )
        self._weights = matrix(coded.sort("user", "item"), len(users), len(items))
        self._learn(self._weights)
        self._users, self._items = users, items
        return self

    def recommend(self, histories: pl.DataFrame, k: int, *, exclude: pl.DataFrame | None = None) -> pl.DataFrame:
        """The best `k` items for each user of `histories` who was there at `fit`; see `Recommender.recommend`."""
        if self._users is None or self._items is None:
            raise NotReadyError(f"The model {self.name!r} has not been fitted.", remedy="Call fit() first.")
        codes = np.unique(self._users.codes(histories[Columns.USER].unique()))
        users = codes[codes != UNKNOWN]
        if not len(users):
            return RECOMMENDATIONS.to_frame()
        banned = sparse.csr_matrix((len(users), len(self._items)), dtype=np.float32)
        if exclude is not None:
            banned = pair_matrix(exclude, self._users, self._items)[users]
        # Leaving out all that was seen is what these packages do fast; anything else is left out of longer lists here.
        seen = self._weights[users]
        leave_out_seen = banned.nnz == seen.nnz and banned.multiply(seen).nnz == seen.nnz
        depth = k if leave_out_seen else k + int(np.diff(banned.indptr).max())
        best, scores = self._best(users, min(depth, len(self._items)), leave_out_seen=leave_out_seen)
        if not leave_out_seen and banned.nnz:
            rows = np.repeat(np.arange(len(users)), best.shape[1])
            known = np.asarray(banned[rows, np.maximum(best, 0).ravel()]).reshape(best.shape) > 0
            scores = np.where(known, np.float32(EMPTY), scores)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        best, scores = (np.take_along_axis(values, order, axis=1) for values in (best, scores))
        return ranked_frame(RECOMMENDATIONS, self._users.names(users), self._items, best, scores, EMPTY)

    @abstractmethod
    def _learn(self, weights: sparse.csr_matrix) -> None:
        """Fit on a matrix of users by items."""

    @abstractmethod
    def _best(self, users: np.ndarray, k: int, *, leave_out_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        """Codes and float32 scores of each user's best `k` items, a row a user; empty places score `EMPTY`."""


def padded(rows: np.ndarray, codes: np.ndarray, scores: np.ndarray, users: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists of any length as two arrays, a row a user; `rows` is sorted, best first in each row."""
    place = np.arange(len(rows)) - np.searchsorted(rows, rows)
    width = int(place.max()) + 1 if len(place) else 1
    best, values = np.zeros((users, width), np.int64), np.full((users, width), EMPTY, np.float32)
    best[rows, place], values[rows, place] = codes, scores
    return best, values


def check_parameters(name: str, given: dict[str, object], known: dict[str, object]) -> dict[str, object]:
    """The defaults with what was given.

    Raises:
        BadInputError: a parameter is not known, or no number.
    """
    if unknown := sorted(given.keys() - known.keys()):
        raise BadInputError(
            f"The model {name!r} does not take {', '.join(unknown)}.",
            remedy=f"It takes {', '.join(sorted(known)) or 'no parameters'}.",
        )
    for parameter, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadInputError(f"{name}.{parameter} is {value!r}.", remedy="Give a number.")
    return known | given

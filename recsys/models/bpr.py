"""Factors learnt from which items shoppers prefer to which others.

Bayesian personalized ranking (Rendle et al., UAI 2009), a positive against a negative item; of several negatives drawn
the one with the highest score is taken, in the manner of WARP (Weston et al., "WSABIE", IJCAI 2011). A user is the sum
of what they did, as in FISM (Kabbur et al., KDD 2013), so anyone can be folded in. What a user dislikes is drawn as the
negative half of the time.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import scipy.special
from scipy import sparse

from recsys.errors import BadInputError
from recsys.models.base import check_interactions
from recsys.models.id_map import IdMap
from recsys.models.matrices import pair_matrix
from recsys.models.neighbours import expand
from recsys.models.scoring import ScoringModel
from recsys.schema import Columns

_PAIRS_AT_A_TIME = 2_048


class Bpr(ScoringModel):
    """Scores are the probability that the item is preferred to one of no interest, by the model."""

    name = "bpr"

    def __init__(
        self,
        *,
        factors: int = 64,
        epochs: int = 10,
        learning_rate: float = 0.1,
        regularization: float = 0.002,
        negatives: int = 4,
        disliked_below: float = 0.0,
        max_history: int = 100,
        history_decay: float = 0.9,
        seed: int = 42,
    ) -> None:
        """Set up.

        Args:
            factors: numbers that describe an item, once as a reason and once as a result.
            epochs: how often each pair of user and item is learnt from.
            learning_rate: of Adagrad.
            regularization: pulls factors to zero.
            negatives: items drawn to find one that is ranked too high.
            disliked_below: ratings below this are dislikes, all others likes.
            max_history: a user's newest items that are learnt from; the work grows with the square of their number.
            history_decay: see `ScoringModel`.
        """
        self.factors, self.epochs, self.learning_rate = factors, epochs, learning_rate
        self.regularization = regularization
        self.negatives, self.disliked_below = negatives, disliked_below
        self.max_history, self.history_decay, self.seed = max_history, history_decay, seed
        self._reasons: np.ndarray | None = None
        self._results: np.ndarray | None = None

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn by stochastic gradient descent; the same data and seed give the same model.

        Raises:
            BadInputError: see `check_interactions`, or nothing is liked.
        """
        frame = check_interactions(interactions)
        liked = pl.col(Columns.RATING) >= self.disliked_below
        users, self._items = IdMap(frame[Columns.USER]), IdMap(frame[Columns.ITEM])
        likes, dislikes = (
            pair_matrix(self._newest(frame.filter(chosen)), users, self._items) for chosen in (liked, ~liked)
        )
        if not likes.nnz:
            raise BadInputError("No interaction is a like.", remedy="Lower disliked_below.")
        random = np.random.default_rng(self.seed)
        shape = (len(self._items), self.factors)
        self._reasons, self._results = (random.normal(0, 0.1, shape).astype(np.float32) for _ in range(2))
        moments = [np.full(shape, 1e-3, np.float32) for _ in range(2)]
        user = np.repeat(np.arange(len(users)), np.diff(likes.indptr))
        for _ in range(self.epochs):
            order = random.permutation(likes.nnz)
            for start in range(0, likes.nnz, _PAIRS_AT_A_TIME):
                pairs = order[start : start + _PAIRS_AT_A_TIME]
                self._learn(user[pairs], likes.indices[pairs], likes, dislikes, moments, random)
        return self

    def _newest(self, events: pl.DataFrame) -> pl.DataFrame:
        """The newest `max_history` items of each user."""
        order = [Columns.USER, Columns.TIMESTAMP, Columns.ITEM]
        pairs = events.sort(order, descending=[False, True, False])
        pairs = pairs.unique([Columns.USER, Columns.ITEM], keep="first", maintain_order=True)
        return pairs.filter(pl.int_range(pl.len()).over(Columns.USER) < self.max_history)

    def _learn(
        self,
        users: np.ndarray,
        liked: np.ndarray,
        likes: sparse.csr_matrix,
        dislikes: sparse.csr_matrix,
        moments: list[np.ndarray],
        random: np.random.Generator,
    ) -> None:
        reasons, results = self._fitted(self._reasons), self._fitted(self._results)
        # A user without the item itself, or each item would only learn to be its own reason.
        lengths = np.diff(likes.indptr)[users]
        entries, _ = expand(likes.indptr[users].astype(np.int64), lengths)
        row, item = np.repeat(np.arange(len(users)), lengths), likes.indices[entries]
        others = item != np.repeat(liked, lengths)
        share = (np.maximum(lengths - 1, 1) ** -0.5).astype(np.float32)[row[others]]
        pasts = sparse.csr_matrix((share, (row[others], item[others])), shape=(len(users), likes.shape[1]))
        taste = pasts @ reasons
        drawn = self._draw(users, dislikes, random)
        scores = np.einsum("uf,unf->un", taste, results[drawn])
        worst = drawn[np.arange(len(users)), scores.argmax(axis=1)]
        margin = np.einsum("uf,uf->u", taste, results[liked]) - scores.max(axis=1)
        push = scipy.special.expit(-margin)[:, None]
        # What is drawn as a negative although the user likes it teaches nothing.
        known = np.asarray(likes[users, worst]).ravel() > 0
        push[known | (lengths < 2)] = 0
        gradient = pasts.T.tocsr() @ (push * (results[liked] - results[worst]))
        touched = np.unique(pasts.indices)
        self._move(reasons, moments[0], touched, gradient[touched])
        both = np.concatenate([liked, worst])
        touched, place = np.unique(both, return_inverse=True)
        signs = np.concatenate([push, -push]) * np.concatenate([taste, taste])
        summed = sparse.csr_matrix((np.ones(len(both), np.float32), (place, np.arange(len(both))))) @ signs
        self._move(results, moments[1], touched, summed)

    def _draw(self, users: np.ndarray, dislikes: sparse.csr_matrix, random: np.random.Generator) -> np.ndarray:
        """Negatives for each user, a row each: any items, or half of the time one that the user dislikes."""
        drawn = random.integers(0, dislikes.shape[1], (len(users), self.negatives))
        counts = np.diff(dislikes.indptr)[users]
        places = dislikes.indptr[users] + (random.random(len(users)) * counts).astype(np.int64)
        chosen = (counts > 0) & (random.random(len(users)) < 0.5)
        drawn[chosen] = dislikes.indices[places[chosen]][:, None]
        return drawn

    def _move(self, factors: np.ndarray, moment: np.ndarray, rows: np.ndarray, gradient: np.ndarray) -> None:
        """One step of Adagrad (Duchi et al. 2011) uphill in these rows."""
        gradient = gradient - self.regularization * factors[rows]
        moment[rows] += gradient**2
        factors[rows] += self.learning_rate * gradient / np.sqrt(moment[rows])

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        lengths = np.maximum(np.diff(histories.indptr), 1)
        taste = sparse.diags(lengths**-0.5) @ histories @ self._fitted(self._reasons)
        scores: np.ndarray = scipy.special.expit((taste @ self._fitted(self._results).T).astype(np.float32))
        return scores

    def save(self, folder: Path) -> None:
        """Write `items.parquet`, `factors.npz` and `bpr.json`."""
        np.savez(folder / "factors.npz", reasons=self._fitted(self._reasons), results=self._fitted(self._results))
        self._fitted(self._items).save(folder / "items.parquet")
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "bpr.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "bpr.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        with np.load(folder / "factors.npz") as arrays:
            model._reasons, model._results = arrays["reasons"], arrays["results"]
        return model

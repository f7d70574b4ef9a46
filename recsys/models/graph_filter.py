"""A linear filter of the graph of users and items: what is two steps away, sharpened by what is smooth over it all.

Shen et al., "How Powerful is Graph Convolution for Recommendation?", CIKM 2021 (GF-CF): with R̃ = Du^-½ R Di^-½ and V
its first right singular vectors, the scores of a history h are h · (R̃ᵀR̃ + s · Di^-½ V Vᵀ Di^½). As in there the second
part is an ideal low-pass filter; the first, two steps through the graph, is also scaled by powers of popularity, and
the powers of users and of the items that come out are settings. The defaults were chosen on Gowalla's validation side.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import scipy.linalg
from scipy import sparse

from recsys.models.base import check_interactions
from recsys.models.id_map import IdMap
from recsys.models.matrices import history_matrix
from recsys.models.scoring import ScoringModel
from recsys.schema import Columns

_OVERSAMPLING = 64  # Halko, Martinsson, Tropp 2011: some more random vectors than factors
_POWER_ITERATIONS = 4


class GraphFilter(ScoringModel):
    """Item-to-item weights by two steps through the graph, and a low-pass filter over the first singular vectors."""

    name = "graph_filter"

    def __init__(
        self,
        *,
        factors: int = 1024,
        smooth: float = 0.85,
        activity_power: float = 0.35,
        input_popularity: float = 0.2,
        output_popularity: float = 0.35,
        smooth_popularity: float = 0.6,
        max_history: int = 1000,
        history_decay: float = 1.0,
        rating_power: float = 0.0,
        seed: int = 42,
    ) -> None:
        """Set up.

        Args:
            factors: singular vectors of the low-pass part; at most one less than users and items are taken.
            smooth: weight of the low-pass part.
            activity_power: a user's interactions weigh their number to minus this power; 0.5 is the paper's.
            input_popularity: history items weigh popularity to minus this power in the two-step part.
            output_popularity: scores are multiplied by popularity to this power there.
            smooth_popularity: and to this one in the low-pass part; 0.5 is the paper's.
            max_history: longest history that counts in `fit`; bounds the pairs a user makes.
            history_decay, rating_power: see `ScoringModel`.
        """
        self.factors, self.smooth = factors, smooth
        self.activity_power = activity_power
        self.input_popularity, self.output_popularity = input_popularity, output_popularity
        self.smooth_popularity = smooth_popularity
        self.max_history, self.history_decay, self.rating_power = max_history, history_decay, rating_power
        self.seed = seed
        self._steps: sparse.csr_matrix | None = None
        self._into: np.ndarray | None = None
        self._out: np.ndarray | None = None

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        frame = check_interactions(interactions)
        newest = pl.col(Columns.TIMESTAMP).rank("ordinal", descending=True).over(Columns.USER)
        frame = frame.sort(Columns.USER, Columns.ITEM, Columns.TIMESTAMP).filter(newest <= self.max_history)
        self._items = IdMap(frame[Columns.ITEM])
        seen = history_matrix(frame, IdMap(frame[Columns.USER]), self._items, rating_power=self.rating_power)
        popularity = np.asarray(seen.sum(axis=0), np.float32).ravel()
        activity = np.asarray(seen.sum(axis=1), np.float32).ravel()
        # Users and items of dislikes alone have no weight, whatever it is divided by; by 0 it would be NaN.
        activity[activity == 0] = 1
        divisor = np.where(popularity == 0, np.float32(1), popularity)
        graph = (sparse.diags(activity**-self.activity_power) @ seen @ sparse.diags(divisor**-0.5)).tocsr()
        into = sparse.diags(divisor**-self.input_popularity)
        out = sparse.diags(popularity**self.output_popularity)
        self._steps = (into @ (graph.T @ graph) @ out).tocsr()
        vectors = _singular_vectors(graph, min(self.factors, min(graph.shape) - 1), self.seed)
        self._into = vectors * divisor[:, None] ** -0.5
        self._out = np.ascontiguousarray((vectors * (self.smooth * popularity[:, None] ** self.smooth_popularity)).T)
        return self

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        scores = (histories @ self._fitted(self._into)) @ self._fitted(self._out)
        scores += (histories @ self._fitted(self._steps)).toarray()
        return scores

    def save(self, folder: Path) -> None:
        """Write `items.parquet`, `steps.npz`, `smooth.npz` and `graph_filter.json`."""
        sparse.save_npz(folder / "steps.npz", self._fitted(self._steps))
        np.savez(folder / "smooth.npz", into=self._fitted(self._into), out=self._fitted(self._out))
        self._fitted(self._items).save(folder / "items.parquet")
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "graph_filter.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "graph_filter.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        model._steps = sparse.load_npz(folder / "steps.npz")
        with np.load(folder / "smooth.npz") as arrays:
            model._into, model._out = arrays["into"], arrays["out"]
        return model


def _singular_vectors(graph: sparse.csr_matrix, factors: int, seed: int) -> np.ndarray:
    """The first right singular vectors, a column each, by random projection and subspace iteration (Halko et al.)."""
    width = min(factors + _OVERSAMPLING, graph.shape[1])
    start = np.random.default_rng(seed).standard_normal((graph.shape[1], width), dtype=np.float32)
    backwards = graph.T.tocsr()
    basis = backwards @ (graph @ start)
    for _ in range(_POWER_ITERATIONS):
        basis = scipy.linalg.qr(basis, mode="economic", overwrite_a=True, check_finite=False)[0]
        basis = backwards @ (graph @ basis)
    basis = scipy.linalg.qr(basis, mode="economic", overwrite_a=True, check_finite=False)[0]
    projected = graph @ basis
    _, rotation = np.linalg.eigh(projected.T @ projected)
    return np.ascontiguousarray((basis @ rotation)[:, ::-1][:, :factors])

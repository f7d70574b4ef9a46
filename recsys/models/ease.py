"""EASE: the linear item-to-item model with a closed-form solution.

Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019: with G = XᵀX and P = (G + λI)⁻¹, the weight of
item i for item j is B_ij = -P_ij / P_jj, and B_jj = 0. That needs an items by items matrix. Where the catalogue is too
large for it, each column is solved on its own over the items that go with j most: the same ridge regression with all
other weights held at 0 (cf. Steck, "Markov Random Fields for Collaborative Filtering", NeurIPS 2019, section 3.2).
It is exact if every item goes with every other and all of them are taken; what it costs otherwise is told in `support`.
"""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
import scipy.linalg
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.errors import BadInputError, IntegrityError
from recsys.models.base import check_interactions
from recsys.models.id_map import IdMap
from recsys.models.matrices import history_matrix
from recsys.models.scoring import ScoringModel
from recsys.schema import Columns

_COLUMNS_AT_A_TIME = 512


class Ease(ScoringModel):
    """Scores are the history's weights times B; what a user did counts once, and as `rating_power` says."""

    name = "ease"

    def __init__(
        self,
        *,
        regularization: float = 250.0,
        history_decay: float = 0.6,
        rating_power: float = 0.0,
        max_dense_items: int = 15_000,
        support: int = 100,
    ) -> None:
        """Set up.

        Args:
            regularization: λ, in users; it must act, so it is above 0.
            history_decay, rating_power: see `ScoringModel`.
            max_dense_items: with more items than this the sparse form is solved; the dense one takes 8 bytes · items².
            support: items that a column of the sparse form may have weights for. On Beauty's validation side 100 of
                them lose 1 % of the dense form's NDCG@10 (0.0586 against 0.0592).

        Raises:
            BadInputError: λ is not above 0: without it the weights of items that always come together are undefined.
        """
        if regularization <= 0:
            raise BadInputError(f"EASE's regularization is {regularization}.", remedy="Give a number above 0.")
        self.regularization = regularization
        self.history_decay, self.rating_power = history_decay, rating_power
        self.max_dense_items, self.support = max_dense_items, support
        self._weights: np.ndarray | sparse.csr_matrix | None = None

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        frame = check_interactions(interactions)
        self._items = IdMap(frame[Columns.ITEM])
        x = history_matrix(frame, IdMap(frame[Columns.USER]), self._items, rating_power=self.rating_power)
        gram = (x.T @ x).tocsr()
        gram.sort_indices()
        dense = len(self._items) <= self.max_dense_items
        self._weights = _closed_form(gram, self.regularization) if dense else self._sparse_form(gram)
        if not np.isfinite(self._weights if dense else self._weights.data).all():
            raise IntegrityError(
                "EASE's weights hold NaN or infinite values.", remedy="Fit again with a larger regularization."
            )
        return self

    def _sparse_form(self, gram: sparse.csr_matrix) -> sparse.csr_matrix:
        columns = gram.shape[0]
        starts = range(0, columns, _COLUMNS_AT_A_TIME)
        parts = [range(start, min(start + _COLUMNS_AT_A_TIME, columns)) for start in starts]
        with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
            solved = pool.map(lambda part: list(self._columns(gram, part)), parts)
            entries = [entry for part in solved for entry in part]
        rows = np.concatenate([support for _, support, _ in entries])
        of = np.repeat([column for column, _, _ in entries], [len(support) for _, support, _ in entries])
        values = np.concatenate([weights for _, _, weights in entries])
        return sparse.csr_matrix((values, (rows, of)), shape=gram.shape, dtype=np.float32)

    def _columns(self, gram: sparse.csr_matrix, part: range) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Column, its support and the weights there, for each column of `part`."""
        diagonal = gram.diagonal()
        for column in part:
            row = slice(gram.indptr[column], gram.indptr[column + 1])
            support, together = gram.indices[row], gram.data[row]
            others = support != column
            support, together = support[others], together[others].astype(np.float64)
            if len(support) > self.support:
                kept = np.argpartition(together / np.sqrt(diagonal[support]), -self.support)[-self.support :]
                kept.sort()
                support, together = support[kept], together[kept]
            inner = _submatrix(gram, support)
            inner[np.diag_indices(len(support))] += self.regularization
            yield column, support, scipy.linalg.solve(inner, together, assume_a="pos", check_finite=False)

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        scores = histories @ self._fitted(self._weights)
        return scores.toarray() if sparse.issparse(scores) else scores

    def save(self, folder: Path) -> None:
        """Write `items.parquet`, `weights.npy` or `weights.npz` (sparse), and `ease.json`."""
        weights = self._fitted(self._weights)
        self._fitted(self._items).save(folder / "items.parquet")
        if isinstance(weights, np.ndarray):
            np.save(folder / "weights.npy", weights)
        else:
            sparse.save_npz(folder / "weights.npz", weights)
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "ease.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "ease.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        dense = folder / "weights.npy"
        model._weights = np.load(dense) if dense.exists() else sparse.load_npz(folder / "weights.npz")
        return model


def _closed_form(gram: sparse.csr_matrix, regularization: float) -> np.ndarray:
    """B, float32 and dense."""
    inverse = gram.toarray()
    inverse[np.diag_indices_from(inverse)] += regularization
    # G + λI is symmetric and positive definite: Cholesky in place takes half the time and memory of a general inverse.
    factor, failed = scipy.linalg.lapack.spotrf(inverse.T, lower=True, overwrite_a=True, clean=False)
    if not failed:
        inverse, failed = scipy.linalg.lapack.spotri(factor, lower=True, overwrite_c=True)
    if failed:
        raise IntegrityError("EASE's matrix could not be inverted.", remedy="Fit again with a larger regularization.")
    weights = np.tril(inverse, -1)
    weights += weights.T
    weights /= -inverse.diagonal()
    return weights


def _submatrix(gram: sparse.csr_matrix, codes: np.ndarray) -> np.ndarray:
    """gram[codes, codes], dense and float64; `codes` are sorted, and so are the columns of each row."""
    inner = np.zeros((len(codes), len(codes)))
    for place, code in enumerate(codes):
        # Looked up one by one: rows may be as long as the catalogue.
        start, end = gram.indptr[code], gram.indptr[code + 1]
        columns = gram.indices[start:end]
        entries = np.minimum(np.searchsorted(columns, codes), end - start - 1)
        found = columns[entries] == codes
        inner[place, found] = gram.data[start + entries[found]]
    return inner

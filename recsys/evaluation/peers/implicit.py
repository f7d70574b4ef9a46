"""The package `implicit`: ALS and BPR by matrix factors, BM25 and cosine by nearest neighbours of items."""

import warnings
from typing import Any, ClassVar

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
from implicit.utils import ParameterWarning
from scipy import sparse
from threadpoolctl import threadpool_limits

from recsys.evaluation.peers.base import Peer, check_parameters


class Implicit(Peer):
    """A model of `implicit`, with its own defaults but for what is given."""

    kind: ClassVar[type[Any]]
    defaults: ClassVar[dict[str, object]]

    def __init__(self, **parameters: object) -> None:
        """`parameters` are those of the package's class that `defaults` names.

        Raises:
            BadInputError: another parameter.
        """
        self.parameters = check_parameters(self.name, parameters, self.defaults)
        self._model: Any = None

    def _learn(self, weights: sparse.csr_matrix) -> None:
        # The package runs threads of its own and asks for BLAS to have one; it warns of a conversion it causes itself.
        with threadpool_limits(1, "blas"), warnings.catch_warnings(category=ParameterWarning, action="ignore"):
            self._model = self.kind(**self.parameters)
            self._model.fit(weights, show_progress=False)

    def _best(self, users: np.ndarray, k: int, *, leave_out_seen: bool) -> tuple[np.ndarray, np.ndarray]:
        seen = self._weights[users]
        with threadpool_limits(1, "blas"):
            codes, scores = self._model.recommend(users, seen, N=k, filter_already_liked_items=leave_out_seen)
        return codes, scores.astype(np.float32)


class ImplicitAls(Implicit):
    """`AlternatingLeastSquares`."""

    name = "implicit_als"
    kind = AlternatingLeastSquares
    defaults: ClassVar = {
        "factors": 100,
        "regularization": 0.01,
        "alpha": 1.0,
        "iterations": 15,
        "random_state": 42,
    }


class ImplicitBpr(Implicit):
    """`BayesianPersonalizedRanking`."""

    name = "implicit_bpr"
    kind = BayesianPersonalizedRanking
    defaults: ClassVar = {
        "factors": 100,
        "learning_rate": 0.01,
        "regularization": 0.01,
        "iterations": 100,
        "random_state": 42,
    }


class ImplicitBm25(Implicit):
    """`BM25Recommender`."""

    name = "implicit_bm25"
    kind = BM25Recommender
    defaults: ClassVar = {"K": 20, "K1": 1.2, "B": 0.75}


class ImplicitCosine(Implicit):
    """`CosineRecommender`."""

    name = "implicit_cosine"
    kind = CosineRecommender
    defaults: ClassVar = {"K": 20}

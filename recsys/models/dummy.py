"""Items by lot: what a model must beat to have learnt anything at all."""

from datetime import datetime
from typing import Self

import numpy as np
import polars as pl

from recsys.models.base import check_interactions
from recsys.models.id_map import IdMap
from recsys.models.same_for_all import SameForAll
from recsys.schema import Columns


class Dummy(SameForAll):
    """Recommends items in an order drawn once, in `fit`."""

    name = "dummy"

    def __init__(self, *, seed: int = 42) -> None:
        self.seed = seed

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        items = IdMap(check_interactions(interactions)[Columns.ITEM])
        drawn = items.names(np.random.default_rng(self.seed).permutation(len(items)))
        scores = 1.0 / np.arange(1, len(items) + 1)
        self._scores = pl.DataFrame({Columns.ITEM: drawn, Columns.SCORE: scores})
        return self

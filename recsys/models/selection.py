"""A merchandiser's selection: items with weights given by hand."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Self

import polars as pl

from recsys.errors import BadInputError
from recsys.models.base import check_interactions
from recsys.models.same_for_all import SameForAll
from recsys.schema import Columns


class Selection(SameForAll):
    """Recommends the items named, the heaviest first; what shoppers did makes no difference."""

    name = "selection"

    def __init__(self, weights: Mapping[str, float] | None = None) -> None:
        """Set up.

        Args:
            weights: item id to weight.

        Raises:
            BadInputError: a weight is not a finite number above 0.
        """
        self.weights = dict(weights or {})
        wrong = [f"{item}: {weight}" for item, weight in self.weights.items() if not 0 < weight < math.inf]
        if wrong:
            raise BadInputError(
                f"A selection cannot have the weights {', '.join(wrong)}.", remedy="Give each item a number above 0."
            )

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Take the selection as it is.

        Raises:
            BadInputError: the selection is empty, or see `check_interactions`.
        """
        check_interactions(interactions)
        if not self.weights:
            raise BadInputError("The selection names no item.", remedy="Give `weights`: item ids and their weights.")
        chosen = pl.DataFrame(
            {Columns.ITEM: list(self.weights), Columns.SCORE: list(self.weights.values())},
            schema={Columns.ITEM: pl.String, Columns.SCORE: pl.Float64},
        )
        self._scores = chosen.sort(Columns.SCORE, Columns.ITEM, descending=[True, False])
        return self

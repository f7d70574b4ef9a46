"""The benchmark's own split: its training pairs, its test pairs, and of the training pairs a part to tune by."""

from typing import ClassVar

import polars as pl

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side, Split, pairs
from recsys.schema import Columns

VALIDATION_SHARE = 0.1


class FixedSplit(Protocol):
    """Train on the training pairs, judge by the test pairs; users keep what they trained with out of their lists."""

    name: ClassVar[str] = "fixed"

    def __init__(self, *, seed: int = 42) -> None:
        """`seed` chooses the pairs of the validation side: a tenth of each user's, at least one, never all."""
        self.seed = seed

    def _cut(self, data: EvaluationData, side: Side) -> Split:
        history, truth = data.interactions, data.held_out
        if side is Side.VALIDATION:
            # Two draws: the order of pairs is random first, so that a user's share is a random one.
            shuffled = history.sort(Columns.USER, Columns.ITEM).sample(fraction=1.0, shuffle=True, seed=self.seed)
            count, place = pl.len().over(Columns.USER), pl.int_range(pl.len()).over(Columns.USER)
            chosen = place < (count * VALIDATION_SHARE).ceil().clip(upper_bound=count - 1)
            history, truth = shuffled.filter(~chosen), shuffled.filter(chosen)
        known = pairs(history)
        truth = pairs(truth.join(known, on=Columns.USER, how="semi"))
        return Split(
            data.interactions[Columns.TIMESTAMP].max(),  # type: ignore[arg-type]
            history,
            history.join(truth, on=Columns.USER, how="semi"),
            truth.join(known, on=[Columns.USER, Columns.ITEM], how="anti", maintain_order="left"),
            known,
        )

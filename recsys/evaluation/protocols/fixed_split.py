"""The benchmark's own split: its training pairs, its test pairs, and of the training pairs a part to tune by.

That part is the end of each user's line, as a random part of Gowalla's lines does not stand for the test pairs: what
won on a random tenth lost on the test. Popularity rises along the training lines, from 67 other users an item in their
first tenth to 81 in the last, and is 91 in the test lines, as if these were their ends. Models are not told the order.
"""

from typing import ClassVar

import polars as pl

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side, Split, pairs
from recsys.schema import Columns

VALIDATION_SHARE = 0.2  # as much of a line as the test pairs are of all


class FixedSplit(Protocol):
    """Train on the training pairs, judge by the test pairs; users keep what they trained with out of their lists.

    The validation side holds out the last fifth of each user's training pairs, at least one, never all.
    """

    name: ClassVar[str] = "fixed"

    def _cut(self, data: EvaluationData, side: Side) -> Split:
        history, truth = data.interactions, data.held_out
        if side is Side.VALIDATION:
            count, from_end = pl.len().over(Columns.USER), pl.int_range(pl.len(), 0, -1).over(Columns.USER)
            held_out = from_end <= (count * VALIDATION_SHARE).ceil().clip(upper_bound=count - 1)
            history, truth = history.filter(~held_out), history.filter(held_out)
        known = pairs(history)
        truth = pairs(truth.join(known, on=Columns.USER, how="semi"))
        return Split(
            data.interactions[Columns.TIMESTAMP].max(),  # type: ignore[arg-type]
            history,
            history.join(truth, on=Columns.USER, how="semi"),
            truth.join(known, on=[Columns.USER, Columns.ITEM], how="anti", maintain_order="left"),
            known,
        )

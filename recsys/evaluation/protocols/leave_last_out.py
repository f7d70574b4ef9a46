"""Each user's last item is asked for, known all before it (leave-one-out in order of time, ranked in full)."""

from typing import ClassVar

import polars as pl

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side, Split, pairs
from recsys.schema import Columns


class LeaveLastOut(Protocol):
    """Test is by the last interaction; validation by the second last, the last being gone."""

    name: ClassVar[str] = "leave_last_out"

    def _cut(self, data: EvaluationData, side: Side) -> Split:
        ordered = data.interactions.sort(Columns.USER, Columns.TIMESTAMP, maintain_order=True)
        from_end = pl.int_range(pl.len(), 0, -1).over(Columns.USER)  # 1 is a user's last
        asked = 1 if side is Side.TEST else 2
        history, last = ordered.filter(from_end > asked), ordered.filter(from_end == asked)
        known = pairs(history)
        truth = pairs(last.join(known, on=Columns.USER, how="semi"))
        return Split(
            history[Columns.TIMESTAMP].max() or ordered[Columns.TIMESTAMP].max(),  # type: ignore[arg-type]
            history,
            history.join(truth, on=Columns.USER, how="semi"),
            truth,
            known,
        )

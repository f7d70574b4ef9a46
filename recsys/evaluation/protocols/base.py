"""How interactions are cut into what a model may see and what it is judged by."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

import polars as pl

from recsys.errors import BadInputError
from recsys.evaluation.datasets.base import PAIRS, EvaluationData
from recsys.schema import Columns


class Side(StrEnum):
    """What a split is for: nothing may be chosen by what the test side shows."""

    VALIDATION = "validation"
    TEST = "test"


@dataclass(frozen=True)
class Split:
    """What happened until a moment, and what the same users did after it.

    Attributes:
        cut: the moment; nothing in `history` is later.
        history: what a model may learn from, in the columns it came in.
        past: what the users to be judged are known by; for all but sessions a part of `history`.
        truth: `user_id, item_id` and perhaps more: what users with a past did next, a pair once.
        exclude: `user_id, item_id`: what must not be recommended, and is therefore not in the truth.
        cold: `user_id, item_id`: what users without a past did next; they are judged apart.
        groups: `user_id, group`: which of the judged belong together, as the steps of one session do; intervals are by
            group. None when each stands alone.
    """

    cut: datetime
    history: pl.DataFrame
    past: pl.DataFrame
    truth: pl.DataFrame
    exclude: pl.DataFrame
    cold: pl.DataFrame = field(default_factory=PAIRS.to_frame)
    groups: pl.DataFrame | None = None


class Protocol(ABC):
    """A way to cut a dataset."""

    name: ClassVar[str]

    def split(self, data: EvaluationData, side: Side = Side.TEST) -> Split:
        """Cut `data`; the validation side knows nothing of the test side's truth.

        Raises:
            BadInputError: no user is left to be judged, or nothing to learn from.
        """
        split = self._cut(data, side)
        for what, frame in (("interaction to learn from", split.history), ("user to be judged", split.truth)):
            if frame.is_empty():
                raise BadInputError(
                    f"The {side} side of protocol {self.name!r} on {data.name!r} has no {what}.",
                    remedy="Give more data, or widen the window (--window-days) or lower --min-items.",
                )
        return split

    @abstractmethod
    def _cut(self, data: EvaluationData, side: Side) -> Split: ...


def pairs(frame: pl.DataFrame) -> pl.DataFrame:
    """Its pairs `user_id, item_id`, each once, sorted."""
    return frame.select(Columns.USER, Columns.ITEM).unique().sort(Columns.USER, Columns.ITEM)

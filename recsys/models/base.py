"""The one interface of all models: ids in, ids out. Which way round a matrix lies is nobody else's business.

Frames that travel through it:

- *interactions* and *histories*: `user_id str, item_id str, timestamp datetime[ms, UTC], rating f32`, an event a row
  (the columns of prepared events; further columns are ignored), in any order.
- *recommendations*: `user_id str, item_id str, score f32, rank u32` (1 is best), sorted by user and rank.
- *neighbours*: `item_id str, similar_item_id str, score f32, rank u32`, sorted by item and rank.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self, TypeVar

import polars as pl

from recsys.errors import BadInputError, NotReadyError
from recsys.schema import Columns

INTERACTIONS = pl.Schema(
    {
        Columns.USER: pl.String(),
        Columns.ITEM: pl.String(),
        Columns.TIMESTAMP: pl.Datetime("ms", "UTC"),
        Columns.RATING: pl.Float32(),
    }
)
RECOMMENDATIONS = pl.Schema(
    {Columns.USER: pl.String(), Columns.ITEM: pl.String(), Columns.SCORE: pl.Float32(), Columns.RANK: pl.UInt32()}
)
NEIGHBOURS = pl.Schema(
    {
        Columns.ITEM: pl.String(),
        Columns.SIMILAR_ITEM: pl.String(),
        Columns.SCORE: pl.Float32(),
        Columns.RANK: pl.UInt32(),
    }
)

T = TypeVar("T")


class Recommender(ABC):
    """A model that recommends items to users and knows an item's neighbours."""

    name: ClassVar[str]

    def describe(self, items: pl.DataFrame) -> Self:
        """Say before `fit` what is known of items: a row an `item_id`, with columns of any kind. Few models use it."""
        return self

    @abstractmethod
    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn from `interactions`, taking `now` as the present.

        Raises:
            BadInputError: a column is missing or of another type, or there is no interaction at all.
        """

    @abstractmethod
    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        """The best `k` items for each user of `histories`, whether or not the user was there at `fit`.

        Args:
            histories: what each user did; unknown items are ignored.
            exclude: pairs `user_id, item_id` that must not be recommended; nothing else is left out for being seen.
            allowed_items: the only items that may be recommended; None allows all.

        Returns:
            Recommendations; a user for whom the model has nothing to say has no rows.

        Raises:
            NotReadyError: `fit` has not been called.
        """

    @abstractmethod
    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        """Up to `k` neighbours of each item, never the item itself; unknown items have no rows."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write all that `load` needs into `folder`, which exists."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""

    def _fitted(self, part: T | None) -> T:
        if part is None:
            raise NotReadyError(f"The model {self.name!r} has not been fitted.", remedy="Call fit() or load() first.")
        return part


def check_interactions(
    frame: pl.DataFrame, *, until: datetime | None = None, may_be_empty: bool = False
) -> pl.DataFrame:
    """The columns of an interactions frame, typed.

    Raises:
        BadInputError: naming the columns that are missing or wrong, or that there are no rows, or some from after
            `until`: a model that has seen what it is judged by would look better than it is.
    """
    wrong = [f"{name} ({frame.schema.get(name, 'missing')})" for name in INTERACTIONS if name not in frame.schema]
    wrong += [
        f"{name} ({frame.schema[name]})"
        for name in (Columns.TIMESTAMP, Columns.RATING)
        if name in frame.schema and not _usable(frame.schema[name], name)
    ]
    if wrong:
        raise BadInputError(
            f"Interactions do not have the expected columns: {', '.join(wrong)}.",
            remedy="They need user_id, item_id, timestamp (datetime) and rating (floating point: integers would wrap).",
        )
    if frame.is_empty() and not may_be_empty:
        raise BadInputError("There is no interaction to learn from.", remedy="Load events, or widen the time window.")
    typed = frame.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS.items())
    if until is not None and (later := int((typed[Columns.TIMESTAMP] > until).sum())):
        raise BadInputError(
            f"{later:,} interactions are later than {until.isoformat()}, the present of this fit.",
            remedy="Cut the events at that moment before fitting.",
        )
    return typed


def _usable(kind: pl.DataType, name: str) -> bool:
    return isinstance(kind, pl.Datetime) if name == Columns.TIMESTAMP else kind.is_float()

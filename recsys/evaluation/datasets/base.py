"""What an evaluation works on: the interactions of a dataset, however it came to be."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from recsys.models.base import INTERACTIONS
from recsys.schema import Columns

# Benchmarks without times get these: their last interaction is at this moment, and one step in their order is one day.
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

PAIRS = pl.Schema({Columns.USER: pl.String(), Columns.ITEM: pl.String()})
ATTRIBUTES = pl.Schema({Columns.ITEM: pl.String(), "attribute": pl.String()})


@dataclass(frozen=True)
class EvaluationData:
    """One dataset, ready to be cut by a protocol.

    Attributes:
        protocols: the protocols that make sense for it; the first is its own.
        interactions: `recsys.models.base.INTERACTIONS`; with `event_type` and `session_id` where these are known.
        held_out: `user_id, item_id`: the test pairs of a benchmark that brings its own split; else empty.
        items: the catalogue, a row an item, with whatever is known of items; `item_id` alone if nothing is.
        item_history: `recsys.dataset.prepared.ITEM_HISTORY`; None if what is known of items has no time.
        attributes: `item_id, attribute`, a row for each thing that an item is; empty if nothing is known.
    """

    name: str
    protocols: tuple[str, ...]
    interactions: pl.DataFrame
    items: pl.DataFrame
    held_out: pl.DataFrame = field(default_factory=PAIRS.to_frame)
    attributes: pl.DataFrame = field(default_factory=ATTRIBUTES.to_frame)
    item_history: pl.DataFrame | None = None

    def items_at(self, moment: datetime) -> pl.DataFrame:
        """The catalogue as it was known at a moment: category, availability and price of then.

        Of an item that nothing had been said about by then nothing is known; its further properties, which have no
        history, are those of today.
        """
        if self.item_history is None:
            return self.items
        said = self.item_history.filter(pl.col(Columns.TIMESTAMP) <= moment)
        state = said.group_by(Columns.ITEM, maintain_order=True).last().drop(Columns.TIMESTAMP)
        parents = self.items.select(Columns.CATEGORY, Columns.PARENT_CATEGORY).drop_nulls().unique(Columns.CATEGORY)
        fixed = self.items.drop(Columns.CATEGORY, Columns.PARENT_CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE)
        known = state.join(fixed, on=Columns.ITEM).join(parents, on=Columns.CATEGORY, how="left")
        catalogue = self.items.select(Columns.ITEM).join(known, on=Columns.ITEM, how="left", maintain_order="left")
        return catalogue.select(self.items.columns)


def interactions_of(pairs: pl.DataFrame, timestamp: pl.Expr) -> pl.DataFrame:
    """Interactions of rating 1 at the times given, from `user_id, item_id`."""
    typed = pairs.with_columns(timestamp.alias(Columns.TIMESTAMP), pl.lit(1.0).alias(Columns.RATING))
    return typed.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS.items())

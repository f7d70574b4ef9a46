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
        attributes: `item_id, attribute`, a row for each thing that an item is; empty if nothing is known.
    """

    name: str
    protocols: tuple[str, ...]
    interactions: pl.DataFrame
    items: pl.DataFrame
    held_out: pl.DataFrame = field(default_factory=PAIRS.to_frame)
    attributes: pl.DataFrame = field(default_factory=ATTRIBUTES.to_frame)


def interactions_of(pairs: pl.DataFrame, timestamp: pl.Expr) -> pl.DataFrame:
    """Interactions of rating 1 at the times given, from `user_id, item_id`."""
    typed = pairs.with_columns(timestamp.alias(Columns.TIMESTAMP), pl.lit(1.0).alias(Columns.RATING))
    return typed.select(pl.col(name).cast(kind) for name, kind in INTERACTIONS.items())

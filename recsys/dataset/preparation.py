"""Raw rows, wherever they come from, become the files of a prepared dataset."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from recsys.dataset.categories import category_paths
from recsys.dataset.events import EventCleaner
from recsys.dataset.items import ItemCollector
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.profile import describe
from recsys.errors import BadInputError, ConfigurationError, NotReadyError
from recsys.schema import Columns, RawTable
from recsys.settings import PipelineSettings


class RawRows(Protocol):
    """One dataset's raw rows; see `raw.RawDataset`, which reads them from Postgres."""

    def newest_event_ms(self, limit_ms: int) -> int | None: ...

    def events(self, handle: Callable[[pl.DataFrame], None]) -> None: ...

    def properties(self, handle: Callable[[pl.DataFrame], None]) -> None: ...

    def category_tree(self) -> pl.DataFrame: ...


def write_prepared(raw: RawRows, folder: Path, settings: PipelineSettings, dataset: str) -> PreparedDataset:
    """Clean the rows up to `settings.now` and write the files into `folder`.

    Raises:
        ConfigurationError: `settings.now` is not an ISO time.
        NotReadyError: the dataset has no event up to now.
        BadInputError: not one of its events is usable.
    """
    step = settings.prepare_dataset
    now_ms = _present_ms(raw, settings, dataset)
    events = EventCleaner(
        folder / "events.parquet",
        weights=settings.event_weights,
        now_ms=now_ms,
        session_gap_minutes=step.session_gap_minutes,
    )
    raw.events(events.add)
    events.finish()
    if events.items.is_empty():
        raise BadInputError(
            f"Dataset {dataset!r} has no usable event; rows left out by reason: {dict(events.rejected)}.",
            remedy="Load events of the types that PIPELINE__EVENT_WEIGHTS names.",
        )
    collector = ItemCollector(folder, now_ms=now_ms)
    raw.properties(collector.add)
    tree = raw.category_tree()
    items = collector.finish(events.items, min_share=step.min_property_share, assume_available=step.assume_available)
    categories, cycles = category_paths(tree, items[Columns.CATEGORY])
    parents = categories.select(Columns.CATEGORY, pl.col("parent_id").alias(Columns.PARENT_CATEGORY))
    items = items.update(parents, on=Columns.CATEGORY, how="left")
    items.write_parquet(folder / "items.parquet")
    categories.write_parquet(folder / "categories.parquet")
    profile = describe(
        pl.scan_parquet(folder / "events.parquet"),
        items,
        now_ms=now_ms,
        rejected={
            RawTable.EVENTS: dict(events.rejected),
            RawTable.ITEM_PROPERTIES: dict(collector.rejected),
            RawTable.CATEGORY_TREE: {"cycle": cycles} if cycles else {},
        },
        property_shares=collector.property_shares,
        undescribed=collector.undescribed,
        categories=categories.height,
    )
    (folder / "profile.json").write_text(json.dumps(profile, indent=1))
    return PreparedDataset.open(folder)


def _present_ms(raw: RawRows, settings: PipelineSettings, dataset: str) -> int:
    """The moment taken as the present: `settings.now`, else the newest event that is not in the future.

    Raises:
        ConfigurationError: `now` is not an ISO time.
        NotReadyError: there is no event up to then.
    """
    limit_ms = int(time.time() * 1000)
    if settings.now is not None:
        try:
            wanted = datetime.fromisoformat(settings.now)
        except ValueError:
            raise ConfigurationError(
                f"PIPELINE__NOW: {settings.now!r} is not an ISO time.", remedy="Write it like 2015-08-01T00:00:00Z."
            ) from None
        limit_ms = int((wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)).timestamp() * 1000)
    newest = raw.newest_event_ms(limit_ms)
    if newest is None:
        raise NotReadyError(
            f"Dataset {dataset!r} has no event up to {datetime.fromtimestamp(limit_ms / 1000, UTC).isoformat()}.",
            remedy="Load events (`recsys load`), or set PIPELINE__NOW to a later time.",
        )
    return newest if settings.now is None else limit_ms

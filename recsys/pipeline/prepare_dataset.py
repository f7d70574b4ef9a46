"""Step 1: raw rows out of Postgres become the prepared dataset that every later step reads."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recsys.dataset.categories import category_paths
from recsys.dataset.events import EventCleaner
from recsys.dataset.item_state import update_item_state
from recsys.dataset.items import ItemCollector
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.profile import describe
from recsys.dataset.raw import RawDataset
from recsys.errors import BadInputError, ConfigurationError, NotReadyError
from recsys.pipeline.context import RunContext, StepSummary
from recsys.publishing.versions import publish
from recsys.schema import Columns, EventType, RawTable, SnapshotTable, Step
from recsys.settings import PipelineSettings
from recsys.storage import postgres

_KEYS_AT_A_TIME = 100_000


def prepare_dataset(context: RunContext) -> StepSummary:
    """Clean the raw rows, store the files, and tell the service what is in stock and what each user has bought.

    Raises:
        NotReadyError: the dataset has no event up to now.
        BadInputError: not one of its events is usable.
    """
    prefix = f"prepared/{context.dataset}/{context.run_id}"
    with context.workspace() as folder:
        prepared = _write_files(context, folder)
        prepared.upload(context.store, prefix)
        items = prepared.items().select(Columns.ITEM, Columns.CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE).collect()
        with postgres.transaction(context.postgres) as cursor:
            changed = update_item_state(cursor, context.dataset, items)
        purchases = publish(context, SnapshotTable.PURCHASES, _purchases(prepared), {"prepared": prefix})
    profile = prepared.profile
    rejected = sum(sum(reasons.values()) for reasons in profile["rejected"].values())
    return StepSummary(
        Step.PREPARE_DATASET,
        prefix,
        rows={
            **profile["counts"],
            "rejected": rejected,
            "item_states_changed": changed,
            "users_with_purchases": purchases.keys,
        },
        metrics={f"share_{name}": share for name, share in profile["shares"].items()},
        notes={"now": profile["now"], "rejected_by_reason": profile["rejected"]},
    )


def _write_files(context: RunContext, folder: Path) -> PreparedDataset:
    settings = context.settings.prepare_dataset
    with postgres.transaction(context.postgres) as cursor:
        raw = RawDataset(cursor, context.dataset, settings.chunk_rows)
        now_ms = present_ms(raw, context.settings, context.dataset)
        events = EventCleaner(
            folder / "events.parquet",
            weights=context.settings.event_weights,
            now_ms=now_ms,
            session_gap_minutes=settings.session_gap_minutes,
        )
        raw.events(events.add)
        events.finish()
        if events.items.is_empty():
            raise BadInputError(
                f"Dataset {context.dataset!r} has no usable event; rows left out by reason: {dict(events.rejected)}.",
                remedy="Load events of the types that PIPELINE__EVENT_WEIGHTS names.",
            )
        collector = ItemCollector(folder, now_ms=now_ms)
        raw.properties(collector.add)
        tree = raw.category_tree()
    items = collector.finish(
        events.items, min_share=settings.min_property_share, assume_available=settings.assume_available
    )
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


def present_ms(raw: RawDataset, settings: PipelineSettings, dataset: str) -> int:
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


def _purchases(prepared: PreparedDataset) -> Iterator[pl.DataFrame]:
    """What each user bought, newest first, every item once."""
    bought = (
        prepared.events()
        .filter(pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE)
        .group_by(Columns.USER, Columns.ITEM)
        .agg(pl.col(Columns.TIMESTAMP).max())
        .sort(Columns.USER, Columns.TIMESTAMP, Columns.ITEM, descending=[False, True, False])
        .group_by(pl.col(Columns.USER).alias(Columns.KEY), maintain_order=True)
        .agg(pl.col(Columns.ITEM).alias(Columns.ITEMS))
        .collect(engine="streaming")
    )
    yield from bought.iter_slices(_KEYS_AT_A_TIME)

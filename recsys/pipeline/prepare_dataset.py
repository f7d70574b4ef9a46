"""Step 1: raw rows out of Postgres become the prepared dataset that every later step reads."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recsys.dataset.dislikes import dislikes
from recsys.dataset.item_state import item_facts, update_item_state
from recsys.dataset.preparation import write_prepared
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.raw import RawDataset
from recsys.pipeline.context import RunContext, StepSummary
from recsys.publishing.versions import publish
from recsys.schema import Columns, EventType, SnapshotTable, Step
from recsys.storage import postgres

_SETTLE = """
update shop.erasures set settled_at = clock_timestamp(), txid = pg_current_xact_id()
where dataset = %s and settled_at is null and erased_at < %s - interval '5 minutes' -- it takes a moment to commit
"""
_KEYS_AT_A_TIME = 100_000


def prepare_dataset(context: RunContext) -> StepSummary:
    """Clean the raw rows, store the files, and tell the service what is in stock, and what users bought or disliked.

    Raises:
        NotReadyError: the dataset has no event up to now.
        BadInputError: not one of its events is usable.
    """
    prefix = f"prepared/{context.dataset}/{context.run_id}"
    began = datetime.now(UTC)
    with context.workspace() as folder:
        prepared = _write_files(context, folder)
        prepared.upload(context.store, prefix)
        with postgres.transaction(context.postgres) as cursor:
            changed = update_item_state(cursor, context.dataset, item_facts(prepared.items()))
        purchases = publish(context, SnapshotTable.PURCHASES, _purchases(prepared), {"prepared": prefix})
        with postgres.transaction(context.postgres) as cursor:
            disliked = dislikes(cursor, context.dataset)
            unliked = publish(context, SnapshotTable.DISLIKES, disliked, {"prepared": prefix})
        with postgres.transaction(context.postgres) as cursor:
            cursor.execute(_SETTLE, (context.dataset, began))
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
            "users_with_dislikes": unliked.keys,
        },
        metrics={f"share_{name}": share for name, share in profile["shares"].items()},
        notes={"now": profile["now"], "rejected_by_reason": profile["rejected"]},
    )


def _write_files(context: RunContext, folder: Path) -> PreparedDataset:
    with postgres.transaction(context.postgres) as cursor:
        raw = RawDataset(cursor, context.dataset, context.settings.prepare_dataset.chunk_rows)
        return write_prepared(raw, folder, context.settings, context.dataset)


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

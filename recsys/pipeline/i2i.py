"""Step 5: for every user the neighbours of what they did lately, each with the item it is based on."""

from collections.abc import Iterator

import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.models.id_map import IdMap
from recsys.models.neighbours import Neighbours
from recsys.pipeline.context import RunContext, StepSummary
from recsys.publishing.active import read_active
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.schema import Columns, EventType, RecommendationTable, Step


def recommend_i2i(context: RunContext) -> StepSummary:
    """Publish a list for every user with enough items, from the similar items in service and by the service's formula.

    What the user bought, and what is not available, is left out.

    Raises:
        NotReadyError: there is no prepared dataset or no table of similar items yet.
    """
    settings = context.settings.i2i
    prefix = context.newest_output(Step.PREPARE_DATASET)
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, prefix, folder)
        items = prepared.items().select(Columns.ITEM, Columns.IS_AVAILABLE).collect()
        neighbours = Neighbours.from_frames(
            IdMap(items[Columns.ITEM]), read_active(context, RecommendationTable.SIMILAR), Columns.KEY, Columns.ITEM
        )
        histories = _histories(prepared.events(), settings.min_items)
        bought = pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE
        parts = neighbours.recommend(
            histories,
            settings.size,
            length=settings.history,
            half_life_days=settings.half_life_days,
            exclude=histories if settings.drop_seen else histories.filter(bought),
            allowed_items=items.filter(Columns.IS_AVAILABLE)[Columns.ITEM],
        )
        published = publish(context, RecommendationTable.I2I, _lists(parts), {"prepared": prefix})
    return StepSummary(
        Step.I2I,
        f"{RecommendationTable.I2I}:{published.version}",
        rows={
            "keys": published.keys,
            "items": published.items,
            "users_with_history": histories[Columns.USER].n_unique(),
        },
    )


def _histories(events: pl.LazyFrame, min_items: int) -> pl.DataFrame:
    """All events of the users with at least `min_items` distinct items."""
    # Most visitors have a single event; leaving them out first keeps the count of distinct items small.
    enough = (
        events.group_by(Columns.USER)
        .agg(pl.col(Columns.ITEM).n_unique().alias("items"))
        .filter(pl.col("items") >= min_items)
    )
    return (
        events.select(Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.EVENT_TYPE)
        .join(enough, on=Columns.USER, how="semi")
        .collect(engine="streaming")
    )


def _lists(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for part in parts:
        if not part.is_empty():
            yield to_lists(part, Columns.USER)

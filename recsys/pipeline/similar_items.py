"""Step 6: neighbours for every item of the catalogue. The service also makes its online recommendations from them."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.models.base import INTERACTIONS
from recsys.models.category_fill import CategoryFill
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.item_to_item import ItemToItem
from recsys.models.neighbours import Neighbours
from recsys.models.popularity import popularity
from recsys.pipeline.context import RunContext, StepSummary
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.schema import WHOLE_SHOP, Columns, Reason, RecommendationTable, Step

_ITEMS_AT_A_TIME = 20_000


def recommend_similar_items(context: RunContext) -> StepSummary:
    """Publish a list for every item, of available items only.

    Lists that would be short are filled from the item's category upwards; such entries have score 0, so that they are
    shown beside the item but never taken for a shopper's taste.
    """
    settings = context.settings.similar_items
    prefix = context.newest_output(Step.PREPARE_DATASET)
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, prefix, folder)
        items = prepared.items().select(Columns.ITEM, Columns.CATEGORY, Columns.IS_AVAILABLE).collect()
        available = items.filter(Columns.IS_AVAILABLE).drop(Columns.IS_AVAILABLE)
        catalogue = IdMap(items[Columns.ITEM])
        scores = popularity(prepared.events(), now=prepared.now, half_life_days=context.settings.default.half_life_days)
        fill = CategoryFill(
            catalogue,
            available,
            scores,
            prepared.categories().select(Columns.CATEGORY, "path").collect(),
            settings.size,
        )
        model = ItemToItem.from_settings(context.settings)
        model.fit(
            prepared.events().select(INTERACTIONS.names()).collect(),
            now=prepared.now,
            targets=available[Columns.ITEM],
        )
    frames = (to_lists(part, Columns.KEY) for part in _lists(items, catalogue, model.neighbours, fill, settings.size))
    published = publish(context, RecommendationTable.SIMILAR, frames, {"prepared": prefix})
    with_neighbours = int(np.count_nonzero(np.diff(model.neighbours.starts)))
    return StepSummary(
        Step.SIMILAR_ITEMS,
        f"{RecommendationTable.SIMILAR}:{published.version}",
        rows={
            "keys": published.keys,
            "items": published.items,
            "items_with_neighbours": with_neighbours,
            "neighbours": len(model.neighbours.targets),
        },
    )


def _lists(
    items: pl.DataFrame, catalogue: IdMap, neighbours: Neighbours, fill: CategoryFill, size: int
) -> Iterator[pl.DataFrame]:
    """Long form of the lists of all items, some items at a time, sorted by item."""
    to_catalogue = catalogue.codes(neighbours.items.names(np.arange(len(neighbours.items))))
    reasons = pl.Series([str(Reason.SIMILAR_TO_ITEM), str(Reason.POPULAR), str(Reason.POPULAR_IN_CATEGORY)])
    whole_shop = fill.categories.codes(pl.Series([WHOLE_SHOP]))[0]
    for part in items.sort(Columns.ITEM).iter_slices(_ITEMS_AT_A_TIME):
        own, own_scores = neighbours.padded(neighbours.items.codes(part[Columns.ITEM]), size)
        own = np.where(own == UNKNOWN, UNKNOWN, to_catalogue[own])
        lists = fill.complete(own, catalogue.codes(part[Columns.ITEM]), part[Columns.CATEGORY])
        filled = lists.place < 0
        why = np.where(filled, np.where(lists.category == whole_shop, 1, 2), 0)
        based_on = fill.categories.names(np.maximum(lists.category, 0))
        starts = np.searchsorted(lists.row, lists.row)
        yield pl.DataFrame(
            {
                Columns.KEY: part[Columns.ITEM].gather(lists.row),
                Columns.ITEM: catalogue.names(lists.item),
                Columns.SCORE: np.where(filled, 0, own_scores[lists.row, lists.place]).astype(np.float32),
                Columns.RANK: np.arange(len(starts)) - starts + 1,
                "reason": reasons.gather(why),
                Columns.BASED_ON: based_on.set(pl.Series(why != 2), None),
            }
        )

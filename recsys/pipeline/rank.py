"""Step 7, second half: everyone's candidates in the order of the champion ranker."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.registry import ModelRegistry
from recsys.pipeline.context import RunContext, StepSummary
from recsys.pipeline.train_als import MODEL
from recsys.pipeline.train_ranker import load_shop
from recsys.publishing.active import open_active
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.ranking.candidates import REASONS, SOURCES
from recsys.ranking.facts import ItemFacts, UserFacts
from recsys.ranking.order import ListOrder
from recsys.ranking.ranker import Ranker
from recsys.ranking.scenes import Scene, scenes
from recsys.ranking.sources import PublishedLists
from recsys.schema import Columns, RecommendationTable, Step
from recsys.settings import RankerSettings


def rank(context: RunContext) -> StepSummary:
    """Publish a list for every user who has an i2i or a personalized list, topped up with what is popular.

    Raises:
        NotReadyError: no ranker has gone live yet, or a table of candidates has never been published.
    """
    settings = context.settings.ranker
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    champion = registry.champion(Ranker.name)
    with registry.files(champion, MODEL) as folder:
        ranker = Ranker.load(folder)
    with context.workspace() as folder:
        tables = {table: open_active(context, table, folder) for table in SOURCES}
        prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        shop = load_shop(prepared)
        items = shop.items(prepared.now, context.settings)
        source = PublishedLists(tables, settings.default_candidates)
        users = UserFacts(shop.events, source.users, items)
        del shop
        lists = ranked_lists(ranker, scenes(items, users, source, settings), users.users, items, settings)
        metadata = {"model": champion.name, "model_version": champion.version}
        published = publish(context, RecommendationTable.RANKED, lists, metadata)
    return StepSummary(
        Step.RANK,
        f"{RecommendationTable.RANKED}:{published.version}",
        rows={"keys": published.keys, "items": published.items},
        notes=metadata,
    )


def ranked_lists(
    ranker: Ranker, everyone: Iterator[Scene], users: IdMap, items: ItemFacts, settings: RankerSettings
) -> Iterator[pl.DataFrame]:
    """Lists for `publish`, by user: reasons name the source that ranks an item highest, `based_on` is that of i2i."""
    reasons = pl.Series([str(reason) for reason in REASONS])
    order = ListOrder(items, settings)
    for scene in everyone:
        scores = ranker.score(scene.features, scene.matrix)
        best, ranks, worth = order.best(scene.candidates, scores, settings.size)
        found = scene.candidates.take(best)
        source = found.best_source()
        based_on = np.where(source == 0, found.based_on, UNKNOWN)
        names = items.items.names(np.maximum(based_on, 0))
        long = pl.DataFrame(
            {
                Columns.KEY: users.names(found.users),
                Columns.ITEM: items.items.names(found.items),
                Columns.SCORE: worth,
                Columns.RANK: ranks,
                "reason": reasons.gather(source.astype(np.uint32)),
                Columns.BASED_ON: names.set(pl.Series(based_on == UNKNOWN), None),
            }
        )
        yield to_lists(long, Columns.KEY)

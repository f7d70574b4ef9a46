"""Step 4: what each user with a history is recommended by the ALS champion."""

from collections.abc import Iterator

import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.evaluation.protocols.time_window import purchases, with_items
from recsys.models.als import Als
from recsys.models.registry import ModelRegistry
from recsys.pipeline.context import RunContext, StepSummary
from recsys.pipeline.train_als import EVENT_COLUMNS, MODEL
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.schema import Columns, RecommendationTable, Step
from recsys.settings import PersonalizedSettings

# What a row of recommendations costs at its peak, its ids as text views and its scores in several copies.
_BYTES_PER_ROW = 150


def recommend_personalized(context: RunContext) -> StepSummary:
    """Publish a list for every user with at least `min_items` distinct items.

    Raises:
        NotReadyError: no ALS model has gone live yet.
    """
    settings = context.settings.personalized
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    champion = registry.champion(Als.name)
    with registry.files(champion, MODEL) as folder:
        model = Als.load(folder)
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        events = prepared.events().select(EVENT_COLUMNS).collect()
        available = prepared.items().filter(Columns.IS_AVAILABLE).select(Columns.ITEM).collect()[Columns.ITEM].to_list()
    users = with_items(events, settings.min_items)
    events = events.join(users, on=Columns.USER, how="semi")
    lists = personalized_lists(model, events, available, settings)
    metadata = {"model": champion.name, "model_version": champion.version}
    published = publish(context, RecommendationTable.PERSONALIZED, lists, metadata)
    return StepSummary(
        Step.PERSONALIZED,
        f"{RecommendationTable.PERSONALIZED}:{published.version}",
        rows={"keys": published.keys, "items": published.items, "users_without_list": users.height - published.keys},
        notes=metadata,
    )


def personalized_lists(
    model: Als, events: pl.DataFrame, available: list[str], settings: PersonalizedSettings
) -> Iterator[pl.DataFrame]:
    """The lists of all users of `events`, sorted by user, in chunks that fit in `max_memory_mb`."""
    users = events.select(Columns.USER).unique().sort(Columns.USER)
    for chunk in users.iter_slices(max(1, settings.max_memory_mb * 1_000_000 // (settings.size * _BYTES_PER_ROW))):
        histories = events.join(chunk, on=Columns.USER, how="semi")
        exclude = histories if settings.drop_seen else purchases(histories)
        best = model.recommend(histories, settings.size, exclude=exclude, allowed_items=available)
        if not best.is_empty():
            yield to_lists(best, Columns.USER)

"""Step 3: what everyone may be shown: the most popular available items of the shop and of each category."""

import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.models.popularity import best_by_category, popularity, with_scores
from recsys.pipeline.context import RunContext, StepSummary
from recsys.publishing.frames import to_lists
from recsys.publishing.versions import publish
from recsys.schema import WHOLE_SHOP, Columns, Reason, RecommendationTable, Step


def recommend_default(context: RunContext) -> StepSummary:
    """Publish a list per category and one for the whole shop, under the key "".

    Items without events fill lists that would be short; a category without available items has no list.
    """
    settings = context.settings.default
    prefix = context.newest_output(Step.PREPARE_DATASET)
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, prefix, folder)
        available = prepared.items().filter(Columns.IS_AVAILABLE).select(Columns.ITEM, Columns.CATEGORY).collect()
        scores = popularity(prepared.events(), now=prepared.now, half_life_days=settings.half_life_days)
        categories = prepared.categories().select(Columns.CATEGORY, "path").collect()
    whole_shop = (
        with_scores(scores, available)
        .head(settings.size)
        .with_columns(
            pl.lit(WHOLE_SHOP).alias(Columns.KEY),
            pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(Columns.RANK),
            pl.lit(str(Reason.POPULAR)).alias("reason"),
            pl.lit(None, pl.String).alias(Columns.BASED_ON),
        )
    )
    by_category = best_by_category(scores, available, categories, settings.size).with_columns(
        pl.col(Columns.CATEGORY).alias(Columns.KEY),
        pl.lit(str(Reason.POPULAR_IN_CATEGORY)).alias("reason"),
        pl.col(Columns.CATEGORY).alias(Columns.BASED_ON),
    )
    lists = to_lists(
        pl.concat([whole_shop.select(by_category.columns), by_category]).drop(Columns.CATEGORY), Columns.KEY
    )
    published = publish(context, RecommendationTable.DEFAULT, [lists], {"prepared": prefix})
    return StepSummary(
        Step.DEFAULT,
        f"{RecommendationTable.DEFAULT}:{published.version}",
        rows={"keys": published.keys, "items": published.items, "available_items": available.height},
    )

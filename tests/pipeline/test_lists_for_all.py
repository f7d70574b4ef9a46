"""Steps 3, 5 and 6 on a simulated shop."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from recsys.dataset.prepared import PreparedDataset
from recsys.errors import NotReadyError
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.publishing.active import read_active
from recsys.schema import RecommendationTable, Step
from recsys.settings import I2ISettings, MlflowSettings, PipelineSettings, PostgresSettings, SimilarSettings
from recsys.storage.object_store import ObjectStore


@pytest.fixture
def context(prepared_shop: RunContext) -> RunContext:
    update = {"similar_items": SimilarSettings(size=10), "i2i": I2ISettings(size=10, drop_seen=False)}
    return replace(prepared_shop, settings=prepared_shop.settings.model_copy(update=update))


@pytest.fixture
def dataset(context: RunContext, tmp_path: Path) -> PreparedDataset:
    return PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), tmp_path)


def published(context: RunContext, table: RecommendationTable) -> pl.DataFrame:
    return pl.concat(read_active(context, table))


def sold_out(dataset: PreparedDataset) -> set[str]:
    return set(dataset.items().filter(~pl.col("is_available")).collect()["item_id"])


def test_default_lists_hold_available_items_of_their_category(context: RunContext, dataset: PreparedDataset) -> None:
    run_step(Step.DEFAULT, context)
    lists = published(context, RecommendationTable.DEFAULT)
    items = dataset.items().collect()
    assert sold_out(dataset)
    assert not sold_out(dataset) & set(lists["item_id"])
    assert lists.filter(key="").height == min(100, items["is_available"].sum())
    assert lists.filter(key="")["score"].is_sorted(descending=True)
    assert set(lists.filter(key="")["reason"]) == {"popular"}
    categories = lists.filter(pl.col("key") != "").join(items, on="item_id")
    assert not categories.is_empty()
    paths = dict(dataset.categories().select("category_id", "path").collect().iter_rows())
    assert all(key in paths[category] for key, category in categories.select("key", "category_id").iter_rows())
    assert set(categories["reason"]) == {"popular_in_category"}
    assert categories["based_on"].equals(categories["key"], check_names=False)


def test_every_item_of_the_catalogue_has_similar_items(context: RunContext, dataset: PreparedDataset) -> None:
    run_step(Step.SIMILAR_ITEMS, context)
    lists = published(context, RecommendationTable.SIMILAR)
    items = dataset.items().collect()
    assert set(lists["key"]) == set(items["item_id"])
    assert not sold_out(dataset) & set(lists["item_id"])
    assert lists.filter(pl.col("key") == pl.col("item_id")).is_empty()
    assert set(lists.group_by("key").len()["len"]) == {10}
    own = pl.col("reason") == "similar_to_item"
    assert lists.filter(own)["score"].min() > 0  # type: ignore[operator]
    assert set(lists.filter(~own)["score"]) == {0.0}
    silent = items.join(dataset.events().collect(), on="item_id", how="anti")["item_id"]
    assert len(silent)
    assert not lists.filter(pl.col("key").is_in(silent.implode())).filter(own).height


def test_users_get_neighbours_of_their_history(context: RunContext, dataset: PreparedDataset) -> None:
    run_step(Step.SIMILAR_ITEMS, context)
    summary = run_step(Step.I2I, context)
    lists = published(context, RecommendationTable.I2I)
    events = dataset.events().collect()
    counts = events.group_by("user_id").agg(pl.col("item_id").n_unique())
    enough = set(counts.filter(pl.col("item_id") >= 2)["user_id"])
    # Of the reference: only the last user's list was kept.
    assert len(enough) > 50
    assert set(lists["key"]) == enough
    assert summary.rows["keys"] == len(enough)
    assert not sold_out(dataset) & set(lists["item_id"])
    history = events.select(pl.col("user_id").alias("key"), pl.col("item_id").alias("based_on")).unique()
    assert lists.join(history, on=["key", "based_on"], how="anti").is_empty()
    bought = events.filter(event_type="purchase").select(pl.col("user_id").alias("key"), "item_id")
    assert len(bought)
    assert lists.join(bought, on=["key", "item_id"]).is_empty()


def test_seen_items_can_be_left_out_too(context: RunContext, dataset: PreparedDataset) -> None:
    run_step(Step.SIMILAR_ITEMS, context)
    strict = context.settings.model_copy(update={"i2i": I2ISettings(size=10, drop_seen=True)})
    run_step(Step.I2I, replace(context, settings=strict))
    seen = dataset.events().select(pl.col("user_id").alias("key"), "item_id").collect()
    assert published(context, RecommendationTable.I2I).join(seen, on=["key", "item_id"]).is_empty()


def test_i2i_needs_similar_items(context: RunContext) -> None:
    with pytest.raises(NotReadyError, match="similar_items"):
        run_step(Step.I2I, context)


def test_similar_items_of_real_baskets_make_sense(
    shared_data: Callable[[str], Path],
    database: PostgresSettings,
    bucket: ObjectStore,
    mlflow_settings: MlflowSettings,
    pipeline_settings: PipelineSettings,
) -> None:
    from recsys.sources.loader import load_source
    from recsys.sources.online_retail import OnlineRetail

    load_source(OnlineRetail(shared_data("online_retail")), database, dataset="shop")
    context = RunContext("run-1", "shop", pipeline_settings, database, bucket, mlflow_settings)
    for step in (Step.PREPARE_DATASET, Step.SIMILAR_ITEMS):
        run_step(step, context)
    lists = published(context, RecommendationTable.SIMILAR)
    white_heart, red_heart, cakestand = "85123A", "21733", "22423"
    assert lists.filter(key=white_heart)["item_id"][0] == red_heart
    teacups = {"22697", "22698", "22699"}
    assert teacups <= set(lists.filter(key=cakestand)["item_id"].head(6))

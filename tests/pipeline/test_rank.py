from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.errors import IntegrityError, NotReadyError
from recsys.models.registry import CHALLENGER, ModelRegistry
from recsys.pipeline import train_ranker
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import STEPS, run_step
from recsys.publishing.active import read_active
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay, Shop
from recsys.schema import RecommendationTable, Step
from recsys.settings import (
    PipelineSettings,
)


@pytest.fixture(scope="module")
def original(prepared_original: RunContext, copy_of: Callable[[RunContext], RunContext]) -> RunContext:
    """All steps before the ranker have run."""
    context = copy_of(prepared_original)
    for step in list(STEPS)[1 : list(STEPS).index(Step.TRAIN_RANKER)]:
        run_step(step, context)
    return context


@pytest.fixture
def context(original: RunContext, copy_of: Callable[[RunContext], RunContext]) -> RunContext:
    return copy_of(original)


def lists(context: RunContext, table: RecommendationTable) -> pl.DataFrame:
    return pl.concat(read_active(context, table))


def test_ranked_lists_reorder_the_candidates_of_everyone(context: RunContext) -> None:
    with pytest.raises(NotReadyError, match="recsys run train_ranker"):
        run_step(Step.RANK, context)
    trained = run_step(Step.TRAIN_RANKER, context)
    assert trained.notes["decision"] == "published the challenger"
    assert trained.metrics["recall@10"] < trained.metrics["recall_ceiling"] <= 1
    assert {"ndcg@10", "i2i_ndcg@10", "personalized_ndcg@10", "default_ndcg@10", "best_source"} <= set(trained.metrics)
    summary = run_step(Step.RANK, context)

    ranked = lists(context, RecommendationTable.RANKED)
    i2i, personalized = (lists(context, table) for table in (RecommendationTable.I2I, RecommendationTable.PERSONALIZED))
    assert set(ranked["key"]) == set(i2i["key"]) | set(personalized["key"])
    assert summary.rows["keys"] == ranked["key"].n_unique()
    best_first = ranked.sort("key", "rank").with_columns(step=pl.col("score").diff().over("key"))
    assert best_first["step"].drop_nulls().max() <= 0  # type: ignore[operator]

    events = pl.read_parquet(context.store.get(f"{context.newest_output(Step.PREPARE_DATASET)}/events.parquet"))
    items = pl.read_parquet(context.store.get(f"{context.newest_output(Step.PREPARE_DATASET)}/items.parquet"))
    assert set(ranked["item_id"]) <= set(items.filter("is_available")["item_id"])
    bought = events.filter(pl.col("event_type") == "purchase").select("item_id", key="user_id")
    assert ranked.join(bought, on=["key", "item_id"], how="inner").is_empty()

    reasons = {"similar_to_viewed", "personalized_for_you", "popular"}
    assert reasons <= set(ranked["reason"]) <= reasons | {"new_to_explore"}
    explained = ranked.filter(pl.col("reason") == "similar_to_viewed")
    told = explained.join(i2i, on=["key", "item_id"], how="left")
    assert (told["based_on"] == told["based_on_right"]).all()
    assert ranked.filter(pl.col("reason") != "similar_to_viewed")["based_on"].null_count() == ranked.height - len(told)


def upside_down(fit: Callable[..., Ranker]) -> Callable[..., Ranker]:
    """Learns to put last what shoppers acted on."""
    return lambda self, features, matrix, labels, weights: fit(self, features, matrix, 1 - labels, weights)


def shuffled(fit: Callable[..., Ranker]) -> Callable[..., Ranker]:
    """Learns from labels of other candidates."""
    mixed = np.random.default_rng(0).permutation
    return lambda self, features, matrix, labels, weights: fit(self, features, matrix, mixed(labels), weights)


def truncated(fit: Callable[..., Ranker]) -> Callable[..., Ranker]:
    """Keeps a single tree, the last and least."""

    def damaged(self: Ranker, *rows: object) -> Ranker:
        fit(self, *rows)
        assert self._model is not None
        self._model.shrink(ntree_start=self.settings.iterations - 1, ntree_end=self.settings.iterations)
        return self

    return damaged


def test_a_damaged_ranker_is_kept_out(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    run_step(Step.TRAIN_RANKER, context)
    champion = registry.champion("ranker")
    for damage in (upside_down, shuffled, truncated):
        with monkeypatch.context() as damaged:
            damaged.setattr(Ranker, "fit", damage(Ranker.fit))
            summary = run_step(Step.TRAIN_RANKER, replace(context, run_id=damage.__name__))
        assert summary.notes["decision"] == "kept the champion"
        assert registry.champion("ranker") == champion
        challenger = registry.find("ranker", CHALLENGER)
        assert challenger is not None
        logged = registry.client.get_run(challenger.run_id)
        assert logged.data.tags["run_id"] == damage.__name__
        assert logged.data.metrics["gate_challenger"] < 0.98 * logged.data.metrics["gate_champion"]
        artifacts = {entry.path for entry in registry.client.list_artifacts(challenger.run_id)}
        assert {"gate.json", "importance.json", "shap.png"} <= artifacts


def test_a_better_ranker_replaces_a_damaged_one_unless_its_files_are_cut_short(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    with monkeypatch.context() as damaged:
        damaged.setattr(Ranker, "fit", upside_down(Ranker.fit))
        run_step(Step.TRAIN_RANKER, context)
    worst = registry.champion("ranker")
    save = Ranker.save

    def half(self: Ranker, folder: Path) -> None:
        save(self, folder)
        trees = folder / "ranker.cbm"
        trees.write_bytes(trees.read_bytes()[: trees.stat().st_size // 2])

    with monkeypatch.context() as cut_short:
        cut_short.setattr(Ranker, "save", half)
        with pytest.raises(IntegrityError, match=r"ranker\.cbm is not a model"):
            run_step(Step.TRAIN_RANKER, replace(context, run_id="run-2"))
    assert registry.champion("ranker") == worst
    summary = run_step(Step.TRAIN_RANKER, replace(context, run_id="run-3"))
    assert summary.metrics["gate_challenger"] > summary.metrics["gate_champion"]
    better = registry.champion("ranker")
    assert better.version != worst.version
    assert registry.client.get_run(better.run_id).data.tags["run_id"] == "run-3"
    assert registry.find("ranker", CHALLENGER) is None


def test_a_ranker_that_learned_from_the_gates_window_is_refused(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    run_step(Step.TRAIN_RANKER, context)
    champion = registry.champion("ranker")
    past = train_ranker.past_replays

    def peeking(shop: Shop, end: datetime, settings: PipelineSettings) -> Iterator[Replay]:
        return past(shop, shop.events["timestamp"].max(), settings)  # type: ignore[arg-type]

    monkeypatch.setattr(train_ranker, "past_replays", peeking)
    with pytest.raises(IntegrityError, match="The ranker learned from targets until"):
        run_step(Step.TRAIN_RANKER, replace(context, run_id="run-2"))
    assert registry.champion("ranker") == champion


def test_a_champion_that_expects_other_features_is_replaced(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    with monkeypatch.context() as older:
        older.setattr("recsys.ranking.facts.WINDOWS_DAYS", (2, 9, 30))
        run_step(Step.TRAIN_RANKER, context)
    first = registry.champion("ranker")
    summary = run_step(Step.TRAIN_RANKER, replace(context, run_id="run-2"))
    assert summary.notes["champion"] is None
    assert registry.champion("ranker").version != first.version

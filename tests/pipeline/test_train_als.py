from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsys.errors import BadInputError, IntegrityError, NotReadyError
from recsys.models.als import Als
from recsys.models.registry import CHALLENGER, ModelRegistry
from recsys.pipeline.context import RunContext
from recsys.pipeline.personalized import recommend_personalized
from recsys.pipeline.run import run_step
from recsys.pipeline.train_als import HOLDOUT, MODEL
from recsys.publishing.active import read_active
from recsys.schema import RecommendationTable, Step
from recsys.storage import postgres


@pytest.fixture
def context(prepared_shop: RunContext) -> RunContext:
    return prepared_shop


@pytest.fixture
def registry(context: RunContext) -> ModelRegistry:
    return ModelRegistry(context.mlflow, context.store, context.dataset)


def shuffle(factors: np.ndarray) -> None:
    np.random.default_rng(0).shuffle(factors)


def truncate(factors: np.ndarray) -> None:
    factors[:, 2:] = 0


def damage(monkeypatch: pytest.MonkeyPatch, how: Callable[[np.ndarray], None] = shuffle) -> None:
    """From now on ALS comes out with its items' factors damaged."""
    fit = Als.fit

    def damaged(self: Als, *args: object, **options: object) -> Als:
        fit(self, *args, **options)  # type: ignore[arg-type]
        assert self._factors is not None
        how(self._factors)
        return self

    monkeypatch.setattr(Als, "fit", damaged)


def test_the_first_model_goes_live_with_its_numbers_in_mlflow(context: RunContext, registry: ModelRegistry) -> None:
    summary = run_step(Step.TRAIN_ALS, context)
    champion = registry.champion("als")
    assert summary.output == champion.prefix
    assert summary.notes["decision"] == "published the challenger"
    assert summary.metrics["ndcg@10"] > 0
    run = registry.client.get_run(champion.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["factors"] == "8"
    assert run.data.tags["run_id"] == "run-1"
    assert run.data.tags["dataset"] == "shop"
    assert run.data.metrics["gate_challenger"] == pytest.approx(summary.metrics["ndcg@10"])
    assert "gate.json" in [entry.path for entry in registry.client.list_artifacts(champion.run_id)]


@pytest.mark.parametrize("how", [shuffle, truncate])
def test_a_damaged_challenger_is_kept_out(
    context: RunContext,
    registry: ModelRegistry,
    monkeypatch: pytest.MonkeyPatch,
    how: Callable[[np.ndarray], None],
) -> None:
    run_step(Step.TRAIN_ALS, context)
    champion = registry.champion("als")
    damage(monkeypatch, how)
    summary = run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert summary.notes["decision"] == "kept the champion"
    assert summary.output == champion.prefix
    assert registry.champion("als") == champion
    challenger = registry.find("als", CHALLENGER)
    assert challenger is not None
    metrics = registry.client.get_run(challenger.run_id).data.metrics
    assert metrics["gate_challenger"] < 0.98 * metrics["gate_champion"]
    assert metrics["gate_accepted"] == 0


def test_a_challenger_that_saw_the_gates_window_does_not_come_to_the_gate(
    context: RunContext, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_step(Step.TRAIN_ALS, context)
    champion = registry.champion("als")
    everything, _ = prepared_frames(context)
    fit = Als.fit

    def peeking(self: Als, interactions: pl.DataFrame, *, now: datetime) -> Als:
        return fit(self, everything, now=now)

    monkeypatch.setattr(Als, "fit", peeking)
    with pytest.raises(BadInputError, match=r"interactions are later than .*, the present of this fit"):
        run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert registry.champion("als") == champion


def test_files_cut_short_never_go_live(
    context: RunContext, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_step(Step.TRAIN_ALS, context)
    champion = registry.champion("als")
    save = Als.save

    def half(self: Als, folder: Path) -> None:
        save(self, folder)
        factors = folder / "factors.npy"
        factors.write_bytes(factors.read_bytes()[: factors.stat().st_size // 2])

    monkeypatch.setattr(Als, "save", half)
    with pytest.raises(IntegrityError, match=r"factors\.npy is not whole"):
        run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert registry.champion("als") == champion
    assert registry.find("als", CHALLENGER) is not None


def test_a_better_challenger_replaces_a_damaged_champion(
    context: RunContext, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as damaged:
        damage(damaged)
        run_step(Step.TRAIN_ALS, context)
    first = registry.champion("als")
    summary = run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert summary.metrics["gate_challenger"] > summary.metrics["gate_champion"]
    assert registry.champion("als").version != first.version
    assert registry.find("als", CHALLENGER) is None


def test_a_champion_is_not_judged_on_events_it_was_fitted_on(context: RunContext) -> None:
    run_step(Step.TRAIN_ALS, context)
    # The same data and seed: a champion that had learned from the window would be far ahead.
    summary = run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert summary.metrics["gate_champion"] == summary.metrics["gate_challenger"]


def test_a_champion_whose_files_are_gone_is_replaced(context: RunContext, registry: ModelRegistry) -> None:
    run_step(Step.TRAIN_ALS, context)
    gone = registry.champion("als")
    context.store.delete(gone.prefix)
    with pytest.raises(NotReadyError, match="has no files at"):
        recommend_personalized(context)
    run_step(Step.TRAIN_ALS, replace(context, run_id="run-2"))
    assert registry.champion("als").version != gone.version


def test_a_retry_of_the_same_run_leaves_the_champions_files_alone(
    context: RunContext, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_step(Step.TRAIN_ALS, context)
    champion = registry.champion("als")
    before = {entry.key: context.store.get(entry.key) for entry in context.store.list(champion.prefix)}
    assert {key.split("/")[-2] for key in before} == {MODEL, HOLDOUT}
    damage(monkeypatch)
    run_step(Step.TRAIN_ALS, context)
    assert {entry.key: context.store.get(entry.key) for entry in context.store.list(champion.prefix)} == before


def test_a_failed_training_is_marked_failed(
    context: RunContext, registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Als, *args: object, **options: object) -> Als:
        raise NotReadyError("no luck")

    monkeypatch.setattr(Als, "fit", broken)
    with pytest.raises(NotReadyError, match="no luck"):
        run_step(Step.TRAIN_ALS, context)
    (run,) = registry.client.search_runs([registry.client.get_experiment_by_name("recsys").experiment_id])
    assert (run.info.status, run.data.tags["error"]) == ("FAILED", "no luck")
    assert registry.find("als") is None


def test_every_user_with_enough_items_gets_a_list_of_their_own(context: RunContext) -> None:
    run_step(Step.TRAIN_ALS, context)
    # 15 MB and lists of 100 would be one chunk: this many bytes a row make many, so the chunks' joints are tested too.
    settings = context.settings.personalized.model_copy(update={"size": 20})
    context.settings.personalized = settings
    summary = run_step(Step.PERSONALIZED, context)
    events, available = prepared_frames(context)
    lists = pl.concat(read_active(context, RecommendationTable.PERSONALIZED))
    assert summary.rows["keys"] == lists["key"].n_unique()
    entitled = events.group_by("user_id").agg(pl.col("item_id").n_unique()).filter(pl.col("item_id") >= 3)
    assert set(lists["key"]) == set(entitled["user_id"])
    # The reference kept one user's list only: here lists differ from user to user.
    assert lists.group_by("key").agg(pl.col("item_id")).unique("item_id").height > entitled.height / 2
    assert set(lists["item_id"]) <= set(available["item_id"])
    bought = events.filter(pl.col("event_type") == "purchase").select(key="user_id", item_id="item_id")
    assert lists.join(bought, on=["key", "item_id"], how="inner").is_empty()
    seen = events.select(key="user_id", item_id="item_id").unique()
    assert not lists.join(seen, on=["key", "item_id"], how="inner").is_empty()


def test_seen_items_can_be_left_out(context: RunContext) -> None:
    run_step(Step.TRAIN_ALS, context)
    context.settings.personalized = context.settings.personalized.model_copy(update={"size": 20, "drop_seen": True})
    run_step(Step.PERSONALIZED, context)
    events, _ = prepared_frames(context)
    lists = pl.concat(read_active(context, RecommendationTable.PERSONALIZED))
    seen = events.select(key="user_id", item_id="item_id").unique()
    assert lists.join(seen, on=["key", "item_id"], how="inner").is_empty()


def test_personalized_needs_a_champion(context: RunContext) -> None:
    with pytest.raises(NotReadyError, match=r"no champion .* 'als-shop'.*recsys run train_als"):
        run_step(Step.PERSONALIZED, context)
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("select status from ops.step_runs where step = 'personalized'")
        assert cursor.fetchone() == ("failed",)


def prepared_frames(context: RunContext) -> tuple[pl.DataFrame, pl.DataFrame]:
    prefix = context.newest_output(Step.PREPARE_DATASET)
    events = pl.read_parquet(context.store.get(f"{prefix}/events.parquet"))
    items = pl.read_parquet(context.store.get(f"{prefix}/items.parquet"))
    return events, items.filter("is_available")

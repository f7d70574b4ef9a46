from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.evaluation import tuning
from recsys.evaluation.protocols.base import Split
from recsys.evaluation.protocols.time_window import window_start
from recsys.evaluation.tuning import tune
from recsys.pipeline.context import RunContext
from recsys.pipeline.tuned import SETTINGS, keep, search
from recsys.schema import Step
from recsys.settings import AlsSettings, PipelineSettings
from recsys.stack import temporary
from recsys.storage import postgres

QUICKLY = 0.01  # minutes


@pytest.fixture
def context(prepared_shop: RunContext, pipeline_settings: PipelineSettings) -> RunContext:
    return replace(prepared_shop, run_id="tune-1", settings=pipeline_settings)


def looked_for(context: RunContext, folder: Path) -> tuning.Tuning:
    storage = f"sqlite:///{folder}/tuning.db"
    return search(context, "popularity", minutes=QUICKLY, storage=storage, say=lambda text: None)


def test_a_search_begins_with_what_is_in_use_and_goes_on_where_it_stopped(context: RunContext, tmp_path: Path) -> None:
    first = looked_for(context, tmp_path)
    assert first.trials[0] == {"half_life_days": 7.0, "ndcg@10": first.baseline}
    assert first.value == max(trial["ndcg@10"] for trial in first.trials)
    second = looked_for(replace(context, run_id="tune-2"), tmp_path)
    assert second.trials[: len(first.trials)] == first.trials
    assert len(second.trials) > len(first.trials)


def test_it_never_sees_the_gates_window(context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Split] = []

    def spy(model: str, split: Split, *args: object, **options: object) -> tuning.Tuning:
        seen.append(split)
        return tune(model, split, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("recsys.pipeline.tuned.tune", spy)
    looked_for(context, tmp_path)
    events = pl.read_parquet(context.store.get(f"{context.newest_output(Step.PREPARE_DATASET)}/events.parquet"))
    begins = window_start(events, events["timestamp"].max(), context.settings.gate.window_days)  # type: ignore[arg-type]
    (split,) = seen
    assert split.history["timestamp"].max() <= split.cut < begins
    window = events.filter(pl.col("timestamp").is_between(split.cut, begins, closed="right"))
    assert split.truth.join(window, on=["user_id", "item_id"], how="anti").is_empty()


def test_what_was_found_replaces_defaults_but_no_choice(
    context: RunContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best = {"factors": 24, "regularization": 0.5, "alpha": 9.0, "half_life_days": 11.0}
    keep(context, "als", tuning.Tuning("ndcg@10", [], best, 0.3, 0.2))
    keep(context, "als", tuning.Tuning("ndcg@10", [], best | {"factors": 25}, 0.4, 0.2))
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("select step, setting, value from ops.tuned_settings where dataset = 'shop'")
        tuned = cursor.fetchall()
    chosen = context.settings.model_copy(update={"train_als": AlsSettings(alpha=2.0)})
    settings = chosen.with_tuned(tuned)
    assert (settings.train_als.factors, settings.train_als.alpha) == (25, 2.0)
    assert settings.train_als.half_life_days == 11.0
    assert chosen.train_als.factors == AlsSettings().factors
    for name, value in temporary.variables(tmp_path, context.postgres, context.store.settings).items():
        monkeypatch.setenv(name, value)
    assert RunContext.create("later", chosen).settings.train_als == settings.train_als

    gone = [("train_als", "colour", "red"), ("nowhere", "size", 3), ("train_als", "factors", -1)]
    assert context.settings.with_tuned(gone) == context.settings


def test_every_parameter_searched_for_is_a_setting(pipeline_settings: PipelineSettings) -> None:
    assert {model: set(space) for model, space in tuning.SPACES.items()} == {
        model: set(places) for model, places in SETTINGS.items()
    }
    for places in SETTINGS.values():
        for group, field in places.values():
            assert hasattr(getattr(pipeline_settings, group), field)


def test_an_unknown_model_is_refused(context: RunContext) -> None:
    split = Split(*[None] * 5)  # type: ignore[arg-type]
    with pytest.raises(BadInputError, match="als, item_to_item, popularity"):
        tune("oracle", split, "ndcg@10", fixed={}, minutes=1, storage="", study="")

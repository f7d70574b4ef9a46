"""The trigger form is made from the settings, and what comes back from it reaches them."""

import pytest
from airflow.sdk.exceptions import ParamValidationError

from airflow_service.params import overrides, params_for
from recsys.settings import PipelineSettings, load


def test_bounds_and_descriptions_are_those_of_the_settings():
    depth = params_for("ranker")["ranker__depth"]
    assert depth.value == PipelineSettings.model_fields["ranker"].default.depth
    assert (depth.schema["minimum"], depth.schema["maximum"], depth.schema["type"]) == (1, 12, "integer")
    with pytest.raises(ParamValidationError):
        depth.resolve(13)
    with pytest.raises(ParamValidationError):
        depth.resolve("deep")


def test_an_optional_setting_takes_null_or_its_type():
    dataset = params_for()["dataset"]
    assert dataset.resolve(None) is None
    assert dataset.resolve("shop") == "shop"
    with pytest.raises(ParamValidationError):
        dataset.resolve(3)


def test_the_default_shown_is_the_value_in_force(monkeypatch):
    monkeypatch.setenv("PIPELINE__SIMILAR_ITEMS__SIZE", "7")
    assert params_for("similar_items")["similar_items__size"].value == 7


def test_overrides_reach_the_settings_and_win_over_the_environment(monkeypatch):
    monkeypatch.setenv("PIPELINE__RANKER__DEPTH", "3")
    monkeypatch.setenv("PIPELINE__RANKER__ITERATIONS", "9")
    given = overrides({"dataset": "shop", "ranker__depth": 5, "event_weights__view": 0.5, "train": False})
    settings = load(PipelineSettings, **given)
    assert settings.dataset == "shop"
    assert settings.ranker.depth == 5
    assert settings.ranker.iterations == 9
    assert settings.event_weights["view"] == 0.5


def test_the_form_unchanged_changes_nothing():
    groups = [name for name in PipelineSettings.model_fields if name not in ("dataset", "now")]
    params = {name: param.resolve() for name, param in params_for(*groups).items()}
    assert load(PipelineSettings, **overrides(params)) == load(PipelineSettings)

from pathlib import Path

import pytest

from recsys.errors import NotReadyError, UnavailableError
from recsys.models.registry import CHALLENGER, ModelRegistry
from recsys.settings import MlflowSettings
from recsys.stack.process import free_port
from recsys.storage.object_store import ObjectStore


class Note:
    """Something to save."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save(self, folder: Path) -> None:
        (folder / "note.txt").write_text(self.text)


@pytest.fixture
def registry(mlflow_database: MlflowSettings, bucket: ObjectStore) -> ModelRegistry:
    return ModelRegistry(mlflow_database, bucket, "shop")


def train(registry: ModelRegistry, text: str, *, promote: bool) -> str:
    with registry.training("als", "run-1", {"factors": 8}) as run:
        version = run.register({"model": Note(text)}, {"until": text})
        if promote:
            run.promote(version)
    return version.version


def test_the_champion_changes_only_by_promotion(registry: ModelRegistry) -> None:
    assert registry.find("als") is None
    with pytest.raises(NotReadyError, match=r"no champion of model 'als-shop' yet\. Train one: `recsys run train_als`"):
        registry.champion("als")
    first = train(registry, "first", promote=True)
    second = train(registry, "second", promote=False)
    champion, challenger = registry.champion("als"), registry.find("als", CHALLENGER)
    assert (champion.version, champion.tags) == (first, {"until": "first"})
    assert challenger is not None
    assert challenger.version == second
    with registry.files(champion, "model") as folder:
        assert (folder / "note.txt").read_text() == "first"
    third = train(registry, "third", promote=True)
    assert registry.champion("als").version == third
    assert registry.find("als", CHALLENGER) is None


def test_datasets_have_models_of_their_own(registry: ModelRegistry) -> None:
    train(registry, "ours", promote=True)
    other = ModelRegistry(registry.settings, registry.store, "other")
    assert other.find("als") is None
    assert registry.champion("als").prefix.startswith("models/shop/als/")


def test_metrics_report_and_params_are_logged(registry: ModelRegistry) -> None:
    with registry.training("als", "run-7", {"alpha": 5.0}) as run:
        run.log_metrics({"ndcg@10": 0.25, "nothing": float("nan")})
        run.log_report({"decision": "kept"}, "gate.json")
    data = registry.client.get_run(run.id).data
    assert data.metrics == {"ndcg_at_10": 0.25}
    assert data.params == {"alpha": "5.0"}
    assert (data.tags["run_id"], data.tags["dataset"], data.tags["model"]) == ("run-7", "shop", "als")
    assert [entry.path for entry in registry.client.list_artifacts(run.id)] == ["gate.json"]


def test_any_error_marks_the_run_failed(registry: ModelRegistry) -> None:
    with pytest.raises(ZeroDivisionError), registry.training("als", "run-1", {}) as run:
        raise ZeroDivisionError
    assert registry.client.get_run(run.id).info.status == "FAILED"


def test_a_server_that_is_away_is_told_at_once(bucket: ObjectStore) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match=rf"MLflow at {address} does not answer.*MLFLOW_TRACKING_URI"):
        ModelRegistry(MlflowSettings(tracking_uri=address), bucket, "shop").find("als")


def test_superseded_versions_lose_their_files_and_the_one_in_service_never(registry: ModelRegistry) -> None:
    versions = [train(registry, str(number), promote=number == 0) for number in range(5)]
    assert registry.retire("als", keep=2) == [versions[2], versions[1]]
    assert [int(v.version) for v in registry.client.search_model_versions("name = 'als-shop'")] == [5, 4, 1]
    with registry.files(registry.champion("als"), "model") as folder:
        assert (folder / "note.txt").read_text() == "0"
    assert len(list(registry.store.list("models/shop/als/"))) == 3
    assert registry.retire("als", keep=2) == []


def test_a_store_that_is_away_leaves_superseded_versions_for_later(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        train(registry, str(number), promote=True)

    def away(prefix: str) -> int:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(registry.store, "delete", away)
        assert registry.retire("als", keep=1) == []
    assert registry.retire("als", keep=1) == ["2", "1"]

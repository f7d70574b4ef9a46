import json
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from recsys.cli import app
from recsys.errors import BadInputError, UnavailableError
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.schema import Step
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage.object_store import ObjectStore


@pytest.fixture
def beauty(tmp_path: Path) -> Path:
    folder = tmp_path / "beauty"
    folder.mkdir()
    users = [f"{user} " + " ".join(str((user + step * step) % 17) for step in range(6)) for user in range(40)]
    (folder / "Beauty.txt").write_text("\n".join(users))
    return folder


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_figures_plots_and_runs(
    beauty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mlflow_database: MlflowSettings
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_database.tracking_uri)
    monkeypatch.chdir(beauty)
    output = run(
        "beauty",
        *("--data", str(beauty), "--models", "popularity, item_to_item", "--k", "5,2", "--mlflow"),
        *("--param", "item_to_item.history=3", "--json", str(tmp_path / "out.json"), "--plots", str(tmp_path / "p")),
    )
    assert "40 judged" in output
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["dataset"] == "beauty"
    assert list(found["models"]) == ["popularity", "item_to_item"]
    assert f"{found['models']['item_to_item']['ndcg@2']:.4f}" in output
    assert len(list((tmp_path / "p").glob("*.png"))) == 2
    client = MlflowClient(tracking_uri=mlflow_database.tracking_uri)
    experiment = client.get_experiment_by_name("recsys-evaluation")
    runs = {one.data.tags["model"]: one for one in client.search_runs([experiment.experiment_id])}
    assert runs.keys() == found["models"].keys()
    logged = runs["item_to_item"]
    assert logged.info.status == "FINISHED"
    assert logged.data.params == {"history": "3"}
    assert logged.data.metrics["ndcg_at_2"] == found["models"]["item_to_item"]["ndcg@2"]
    assert logged.data.tags["side"] == "test"
    assert [file.path for file in client.list_artifacts(logged.info.run_id)] == ["evaluation.json"]
    assert not Path("mlruns").exists()  # where MLflow puts files by itself


def test_the_validation_side_has_another_truth(beauty: Path) -> None:
    arguments = ("beauty", "--data", str(beauty), "--models", "item_to_item", "--k", "5", "--no-mlflow")
    test, validation = run(*arguments), run(*arguments, "--validation")
    assert "protocol leave_last_out, test" in test
    assert "protocol leave_last_out, validation" in validation


def test_mlflow_that_is_away_is_told_or_is_an_error(beauty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    arguments = ("beauty", "--data", str(beauty), "--models", "popularity", "--k", "5")
    assert "Not logged to MLflow" in run(*arguments)
    assert "MLflow" not in run(*arguments, "--no-mlflow")
    with pytest.raises(UnavailableError, match="does not answer"):
        run(*arguments, "--mlflow")


def test_a_model_that_fails_is_told_after_the_figures_of_the_others(beauty: Path) -> None:
    arguments = ["beauty", "--data", str(beauty), "--models", "selection,popularity", "--k", "5", "--no-mlflow"]
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 1
    assert "ndcg@5" in result.stdout
    assert "selection could not be measured: The selection names no item." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("movies",), "known datasets are: gowalla, beauty"),
        (("beauty", "--models", "magic"), "known models are: .*popularity"),
        (("beauty", "--metric", "fame@10"), "metrics are: precision@10, recall@10"),
        (("beauty", "--k", "10,x"), "are not cutoffs"),
        (("beauty", "--k", "0"), "are not cutoffs"),
        (("beauty", "--param", "als"), "names no parameter"),
        (("beauty", "--protocol", "time"), "protocols for it are: leave_last_out"),
        (("gowalla",), "missing: train.txt, test.txt"),
    ],
)
def test_unknown_names_list_the_known_ones(beauty: Path, arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        run(*arguments, "--data", str(beauty), "--no-mlflow")


def test_current_is_what_was_prepared_last(
    load_simulated_shop: object,
    database: PostgresSettings,
    bucket: ObjectStore,
    mlflow_settings: MlflowSettings,
    pipeline_settings: PipelineSettings,
    suite_environment: None,
) -> None:
    load_simulated_shop(dataset="corner")  # type: ignore[operator]
    run_step(
        Step.PREPARE_DATASET,
        RunContext("night", "corner", pipeline_settings, database, bucket, mlflow_settings),
    )
    output = run("current", "--models", "popularity", "--k", "5", "--no-mlflow")
    assert "corner, protocol time, test" in output

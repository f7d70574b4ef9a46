"""The notebooks run from top to bottom on a small shop, draw their plots, and log what they say they log."""

import importlib
import os
from collections.abc import Iterator
from pathlib import Path

import jupytext
import mlflow
import nbformat
import pytest
from nbclient import NotebookClient

from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.schema import Step
from recsys.settings import PROJECT_ROOT, MlflowSettings

RESEARCH = PROJECT_ROOT / "research"
SOURCES = sorted(RESEARCH.glob("[0-9]*.py"))


def execute(name: str) -> nbformat.NotebookNode:
    notebook = jupytext.read(RESEARCH / f"{name}.py")
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": RESEARCH}}).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def plots(notebook: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs(notebook))


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(output.get("text", "") for output in outputs(notebook))


@pytest.fixture
def prepared_shop(
    suite_environment: None,
    mlflow_database: MlflowSettings,
    load_simulated_shop,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A prepared simulated shop that the environment points to; gives the folder of its MLflow."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_database.tracking_uri)
    load_simulated_shop(users=400, events=6_000)
    run_step(Step.PREPARE_DATASET, RunContext.create("test"))
    return Path(mlflow_database.tracking_uri.removeprefix("sqlite:///")).parent


def test_the_exploratory_analysis_runs_and_draws_its_plots(prepared_shop: Path) -> None:
    notebook = execute("1_exploratory_analysis")
    assert "Dataset 'simulator', prepared as prepared/simulator/test" in printed(notebook)
    assert plots(notebook) == 7


def test_the_modelling_notebook_compares_models_and_logs_them(prepared_shop: Path) -> None:
    notebook = execute("2_modelling")
    assert plots(notebook) == 5
    assert "Best on the test window by ndcg@10" in printed(notebook)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{prepared_shop}/mlflow.db")
    experiment = client.get_experiment_by_name("recsys-research")
    runs = client.search_runs([experiment.experiment_id])
    judged = [run for run in runs if run.data.tags["mlflow.runName"] != "comparison"]
    assert {run.data.tags["model"] for run in judged} == {"popularity", "item_to_item", "als", "ranker"}
    assert {run.data.tags["window"] for run in judged} == {"validation", "test"}
    assert all(0 <= run.data.metrics["ndcg_at_10"] <= 1 for run in judged)
    assert all(run.data.params and run.info.status == "FINISHED" for run in judged)
    (comparison,) = (run for run in runs if run not in judged)
    assert comparison.info.artifact_uri.startswith(str(prepared_shop))
    kept = {artifact.path for artifact in client.list_artifacts(comparison.info.run_id)}
    assert kept == {"comparison.png", "segments.png", "beyond_accuracy.png", "comparison.json"}


def test_the_comparison_runs_on_a_simulated_shop_without_any_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_DATA", raising=False)
    notebook = execute("3_comparison")
    assert "simulator, time, " in printed(notebook)
    assert "over personalized, its best source" in printed(notebook)
    assert plots(notebook) == 3


def test_without_a_prepared_dataset_a_simulated_shop_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in os.environ:
        if name.startswith(("POSTGRES_", "S3_", "MLFLOW_")):
            monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(RESEARCH)
    shop = importlib.import_module("shop").open_shop(tmp_path)
    said = capsys.readouterr().out
    assert "A small simulated shop is used" in said
    assert "POSTGRES_PASSWORD" in said
    assert shop.prepared.events().select("user_id").collect()["user_id"].n_unique() > 1_000


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_file_says_what_its_source_says_and_holds_no_output(source: Path) -> None:
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    wanted = jupytext.read(source)
    remedy = f"run: jupytext --to ipynb {source.name}"
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.cell_type, cell.source) for cell in wanted.cells
    ], remedy
    assert not list(outputs(notebook)), remedy

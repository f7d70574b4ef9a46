from collections.abc import Callable
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from recsys.cli import app
from recsys.errors import NotReadyError
from recsys.models.registry import ModelRegistry
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.schema import Step
from recsys.settings import AlsSettings, GateSettings, MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage.object_store import ObjectStore


@pytest.fixture
def context(
    database: PostgresSettings,
    bucket: ObjectStore,
    mlflow_database: MlflowSettings,
    pipeline_settings: PipelineSettings,
    load_simulated_shop: Callable[..., object],
    suite_environment: None,
) -> RunContext:
    """A shop that the command finds through its environment."""
    load_simulated_shop(dataset="shop")
    update = {"train_als": AlsSettings(factors=8, iterations=2), "gate": GateSettings(min_users=5)}
    settings = pipeline_settings.model_copy(update=update)
    return RunContext("night-1", "shop", settings, database, bucket, mlflow_database)


def asked(*options: str) -> str:
    result = CliRunner().invoke(app, ["gate", *options])
    assert result.exception is None, result.exception
    return result.output


def test_the_newest_decision_is_shown_and_explained(context: RunContext) -> None:
    assert isinstance(CliRunner().invoke(app, ["gate"]).exception, NotReadyError)
    run_step(Step.PREPARE_DATASET, context)
    run_step(Step.TRAIN_ALS, context)
    assert "there was no champion to compare with" in asked("--explain")
    second = run_step(Step.TRAIN_ALS, replace(context, run_id="night-2"))
    assert f"{second.metrics['gate_champion']:.4f}" in asked()
    told = asked("--explain")
    assert "published the challenger, because ndcg@10" in told
    champion = ModelRegistry(context.mlflow, context.store, "shop").champion("als")
    for expected in (
        f"{second.metrics['gate_challenger']:.4f} (version 2)",
        f"{second.metrics['gate_champion']:.4f} (version 1)",
        "95 % interval over users +0.0000 to +0.0000",
        "may lose 2.0% of the champion's value",
        f" {second.metrics['gate_users']:.0f} ",
        "night-2",
        f"/runs/{champion.run_id}",
    ):
        assert expected in told

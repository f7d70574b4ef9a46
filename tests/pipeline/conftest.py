"""A prepared shop, made once: each test works on a copy of its own."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.schema import Step
from recsys.settings import (
    AlsSettings,
    GateSettings,
    MlflowSettings,
    ObjectStoreSettings,
    PipelineSettings,
    PostgresSettings,
    RankerSettings,
)
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator, Sizes
from recsys.storage.object_store import ObjectStore
from tests.conftest import execute

Copy = Callable[[RunContext], RunContext]


@pytest.fixture(scope="session")
def copy_of(postgres_server_settings: PostgresSettings, tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Makes a copy of a run's database, bucket and MLflow; the servers take it with them when they end."""
    admin = postgres_server_settings.model_copy(update={"database": "postgres"})

    def copy(original: RunContext) -> RunContext:
        name = f"test_{secrets.token_hex(6)}"
        execute(admin, f"create database {name} template {original.postgres.database}")
        store = ObjectStore(original.store.settings.model_copy(update={"bucket": name.replace("_", "-")}))
        store.wait(print)
        for entry in original.store.list(""):
            store.put(entry.key, original.store.get(entry.key))
        registry = tmp_path_factory.mktemp("registry") / "mlflow.db"
        shutil.copy(original.mlflow.tracking_uri.removeprefix("sqlite:///"), registry)
        return replace(
            original,
            settings=original.settings.model_copy(deep=True),
            postgres=original.postgres.model_copy(update={"database": name}),
            store=store,
            mlflow=MlflowSettings(tracking_uri=f"sqlite:///{registry}"),
        )

    return copy


@pytest.fixture(scope="session")
def prepared_original(
    postgres_server_settings: PostgresSettings,
    s3_server_settings: ObjectStoreSettings,
    mlflow_template: Path,
    copy_of: Copy,
) -> RunContext:
    """A simulated shop after step 1, with models small enough for tests."""
    settings = PipelineSettings(
        _env_file=None,  # type: ignore[call-arg]
        train_als=AlsSettings(factors=8, iterations=5),
        gate=GateSettings(min_users=20),
        ranker=RankerSettings(iterations=40, depth=4, target_days=5, max_memory_mb=16),
    )
    mlflow = MlflowSettings(tracking_uri=f"sqlite:///{mlflow_template}")
    empty = ObjectStore(s3_server_settings.model_copy(update={"bucket": f"test-{secrets.token_hex(6)}"}))
    empty.wait(print)
    context = copy_of(RunContext("run-1", "shop", settings, postgres_server_settings, empty, mlflow))
    sizes = Sizes(users=400, items=100, events=8_000, days=30, property_rows=2_000)
    load_source(Simulator(sizes), context.postgres, dataset="shop")
    run_step(Step.PREPARE_DATASET, context)
    return context


@pytest.fixture
def prepared_shop(prepared_original: RunContext, copy_of: Copy) -> RunContext:
    """A prepared shop of the test's own."""
    return copy_of(prepared_original)

import polars as pl
import pytest
from typer.testing import CliRunner

from recsys.cli import app
from recsys.errors import NotReadyError
from recsys.pipeline.context import RunContext
from recsys.publishing.versions import publish
from recsys.schema import RecommendationTable
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

TABLE = RecommendationTable.SIMILAR


@pytest.fixture
def context(
    database: PostgresSettings,
    bucket: ObjectStore,
    pipeline_settings: PipelineSettings,
    mlflow_settings: MlflowSettings,
    suite_environment: None,
) -> RunContext:
    """A shop that the commands find through their environment."""
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    return RunContext("night-1", "shop", pipeline_settings, database, bucket, mlflow_settings)


def publish_one(context: RunContext, item: str) -> int:
    frame = pl.DataFrame({"key": ["a"], "item_ids": [[item]], "scores": [[1.0]]})
    return publish(context, TABLE, [frame]).version


def test_versions_are_listed_and_rolled_back(context: RunContext) -> None:
    first = publish_one(context, "x")
    second = publish_one(RunContext("night-2", *list(vars(context).values())[1:]), "y")
    runner = CliRunner()
    listed = runner.invoke(app, ["versions", TABLE]).output.splitlines()
    assert any("night-2" in line and "●" in line for line in listed)
    assert any("night-1" in line and "●" not in line for line in listed)
    assert runner.invoke(app, ["rollback", TABLE]).output == f"{TABLE}: {second} → {first}\n"
    assert runner.invoke(app, ["rollback", TABLE, "--to", str(second)]).output == f"{TABLE}: {first} → {second}\n"
    assert "similar_items" in runner.invoke(app, ["versions"]).output


def test_what_cannot_be_done_is_said(context: RunContext) -> None:
    runner = CliRunner()
    assert isinstance(runner.invoke(app, ["rollback"]).exception, NotReadyError)
    assert runner.invoke(app, ["rollback", "nonsense"]).exit_code == 2
    missing = runner.invoke(app, ["versions", "--dataset", "elsewhere"])
    assert "elsewhere" in str(missing.exception)

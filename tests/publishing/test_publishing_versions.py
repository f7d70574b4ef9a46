import polars as pl
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing.active import read_active
from recsys.publishing.versions import publish
from recsys.schema import RecommendationTable
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

TABLE = RecommendationTable.PERSONALIZED


@pytest.fixture
def context(
    database: PostgresSettings,
    bucket: ObjectStore,
    pipeline_settings: PipelineSettings,
    mlflow_settings: MlflowSettings,
) -> RunContext:
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    return RunContext("run-1", "shop", pipeline_settings, database, bucket, mlflow_settings)


def lists(mark: str, keys: int = 3, k: int = 4) -> pl.DataFrame:
    """`keys` lists of `k` items that all carry `mark`."""
    return pl.DataFrame(
        {
            "key": [f"u{key}" for key in range(keys)],
            "item_ids": [[f"{mark}-{item}" for item in range(k)]] * keys,
            "scores": [[float(k - item) for item in range(k)]] * keys,
        },
        schema_overrides={"scores": pl.List(pl.Float32)},
    )


def rows(context: RunContext, statement: str) -> list[tuple[object, ...]]:
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_a_published_version_is_what_both_readers_see(context: RunContext) -> None:
    published = publish(context, TABLE, [lists("a", 2), lists("a", 5)[2:]], {"model": "als"})
    assert (published.keys, published.items) == (5, 20)
    view = "select user_id, item_id, rank, score from recs.current_personalized_recommendations order by 1, 3"
    long = pl.concat(read_active(context, TABLE))
    assert rows(context, view) == long.select("key", "item_id", "rank", "score").rows()
    assert rows(context, view)[:2] == [("u0", "a-0", 1, 4.0), ("u0", "a-1", 2, 3.0)]

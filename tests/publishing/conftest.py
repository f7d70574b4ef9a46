"""A shop to publish for, and the service's side of it, on real servers."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing.changes import Fetch
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore


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


@pytest.fixture
async def pool(database: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    secret = database.password.get_secret_value()
    async with asyncpg.create_pool(
        host=database.host,
        port=database.port,
        database=database.database,
        user=database.user,
        password=secret,
        min_size=1,
        max_size=2,
    ) as pool:
        yield pool


@pytest.fixture
def fetch(pool: asyncpg.Pool) -> Fetch:
    return pool.fetch

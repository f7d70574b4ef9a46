"""A dataset to work on and a pool to reach it."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.pool import create_pool


@pytest.fixture
def shop(database: PostgresSettings) -> PostgresSettings:
    """A database with the active dataset `shop`."""
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    return database


@pytest.fixture
async def pool(shop: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    found = await create_pool(shop, 4, name="test", timeout_ms=10_000)
    yield found
    found.terminate()

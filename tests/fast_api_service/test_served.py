"""Answers are counted in the worker and reach `ops.served` whole, whatever happens to Postgres in between."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from fast_api_service.reports.served import Served
from recsys.pipeline.context import RunContext
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.pool import create_pool
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service


@pytest.fixture
async def pool(database: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    found = await create_pool(database, 2, name="test", timeout_ms=5_000)
    await found.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    yield found
    found.terminate()


async def rows(pool: asyncpg.Pool) -> dict[tuple[str, str, int], int]:
    found = await pool.fetch("select placement, source, version, shown from ops.served")
    return {(row["placement"], row["source"], row["version"]): row["shown"] for row in found}


async def test_counts_of_two_workers_add_up(pool: asyncpg.Pool) -> None:
    workers = [Served(), Served()]
    for worker in workers:
        for _ in range(20):
            worker.note("home", 7, {"ranked": 8, "default": 2}, 1.0, 1.25)
        worker.note("cart", 7, {}, 1.0, 1.0)
    for worker in workers:
        await worker.save(pool, "shop")
        await worker.save(pool, "shop")
    assert await rows(pool) == {
        ("home", "", 7): 40,
        ("home", "ranked", 7): 320,
        ("home", "default", 7): 80,
        ("cart", "", 7): 2,
    }
    choose = await pool.fetchrow(
        "select (phases->'choose'->>'count')::int n, (phases->'choose'->>'sum')::float8 total,"
        " (phases->'choose'->>'max')::float8 longest from ops.served where placement = 'home' and source = ''"
    )
    assert tuple(choose) == (4, 1.0, 0.25)


async def test_answers_count_on_the_day_on_which_they_are_saved(pool: asyncpg.Pool) -> None:
    """In the reference times were taken when a module was imported."""
    tomorrow = "(pg_catalog.clock_timestamp() + interval '1 day')"
    await pool.execute(
        f"create schema clock; create function clock.clock_timestamp() returns timestamptz return {tomorrow};"
        " do $$ begin execute format('alter database %I set search_path = clock, public, pg_catalog',"
        " current_database()); end $$"
    )
    await pool.expire_connections()
    worker = Served()
    worker.note("home", 7, {"ranked": 10}, 0.0, 0.5)
    await worker.save(pool, "shop")
    assert await pool.fetchval(f"select bool_and(day = ({tomorrow} at time zone 'UTC')::date) from ops.served")


async def test_what_could_not_be_saved_is_saved_later(pool: asyncpg.Pool) -> None:
    worker = Served()
    worker.note("home", 7, {"ranked": 10}, 0.0, 0.5)
    await pool.execute("alter table ops.served rename to away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await worker.save(pool, "shop")
    worker.note("home", 7, {"ranked": 10}, 0.0, 0.5)
    await pool.execute("alter table ops.away rename to served")
    await worker.save(pool, "shop")
    assert await rows(pool) == {("home", "", 7): 2, ("home", "ranked", 7): 20}
    assert await pool.fetchval("select (phases->'choose'->>'count')::int from ops.served where source = ''") == 2


async def test_a_dataset_that_is_gone_is_no_error(pool: asyncpg.Pool) -> None:
    worker = Served()
    worker.note("home", 7, {"ranked": 10}, 0.0, 0.5)
    await worker.save(pool, "gone")
    assert await rows(pool) == {}


def test_answers_over_http_are_counted_by_placement_and_source(api: Service, shop: RunContext) -> None:
    def shown() -> int:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("select shown from ops.served where placement = 'similar' and source = 'similar'")
            return sum(count for (count,) in cursor)

    before = shown()
    for _ in range(3):
        assert len(api.items("/v1/items/x3/similar", limit=4)) == 4
    wait_until(lambda: shown() >= before + 12)

from pathlib import Path

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing import availability
from recsys.publishing.availability import Availability
from recsys.publishing.changes import Fetch
from recsys.publishing.leader import HostLeader
from recsys.storage import postgres

UPSERT = """
insert into recs.item_state (dataset, item_id, is_available) values ($1, $2, $3)
on conflict (dataset, item_id) do update set is_available = excluded.is_available
"""


@pytest.fixture
def path(context: RunContext, tmp_path: Path) -> Path:
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('other', 'csv')")
        cursor.execute(
            "insert into recs.item_state (dataset, item_id, is_available)"
            " values ('shop', 'in', true), ('shop', 'out', false), ('other', 'gone', false)"
        )
    return tmp_path / "unavailable.json"


@pytest.fixture
def leader(tmp_path: Path) -> HostLeader:
    return HostLeader(tmp_path / "leader.lock")


async def test_it_follows_every_change(
    path: Path, leader: HostLeader, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "_PAGE_ROWS", 2)
    stock = Availability(path, leader)
    await stock.refresh(fetch, None)
    assert stock.unavailable == set()
    await stock.refresh(fetch, "shop")
    assert stock.unavailable == {"out"}
    await pool.executemany(UPSERT, [("shop", f"new-{number}", number % 2 == 0) for number in range(9)])
    await pool.execute(UPSERT, "shop", "out", True)
    await pool.execute(UPSERT, "other", "in", False)
    await stock.refresh(fetch, "shop")
    assert stock.unavailable == {"new-1", "new-3", "new-5", "new-7"}


async def test_what_the_shop_hides_is_not_shown_either(
    path: Path, leader: HostLeader, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    stock = Availability(path, leader)
    await stock.refresh(fetch, "shop")
    for hidden in (True, False):
        await pool.execute("update recs.item_state set is_hidden = $1 where item_id = 'in'", hidden)
        await stock.refresh(fetch, "shop")
        assert stock.unavailable == ({"in", "out"} if hidden else {"out"})
        anew = Availability(path.with_name("other.json"), leader)
        await anew.refresh(fetch, "shop")
        assert anew.unavailable == stock.unavailable


async def test_a_change_in_a_slow_transaction_is_not_missed(
    path: Path, leader: HostLeader, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    stock = Availability(path, leader)
    await stock.refresh(fetch, "shop")
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.execute(UPSERT, "shop", "slow", False)
        await pool.execute(UPSERT, "shop", "fast", False)
        await stock.refresh(fetch, "shop")
        assert stock.unavailable == {"out", "fast"}
        await transaction.commit()
    await stock.refresh(fetch, "shop")
    assert stock.unavailable == {"out", "fast", "slow"}


async def test_a_start_without_postgres_knows_the_last_state_and_goes_on_from_there(
    path: Path, leader: HostLeader, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    await Availability(path, leader).refresh(fetch, "shop")
    stock = Availability(path, leader)
    assert (stock.dataset, stock.unavailable) == ("shop", {"out"})
    await pool.execute(UPSERT, "shop", "in", False)
    statements: list[str] = []

    async def counting(sql: str, *params: object) -> list[asyncpg.Record]:
        statements.append(sql)
        return list(await pool.fetch(sql, *params))

    await stock.refresh(counting, "shop")
    assert stock.unavailable == {"out", "in"}
    assert availability._ALL not in statements, "only what changed was read"


async def test_another_dataset_is_read_anew(path: Path, leader: HostLeader, fetch: Fetch) -> None:
    stock = Availability(path, leader)
    await stock.refresh(fetch, "shop")
    await stock.refresh(fetch, "other")
    assert stock.unavailable == {"gone"}


async def test_a_broken_copy_is_read_anew(path: Path, leader: HostLeader, fetch: Fetch) -> None:
    path.write_text('{"dataset": "shop"')
    stock = Availability(path, leader)
    assert stock.unavailable == set()
    await stock.refresh(fetch, "shop")
    assert stock.unavailable == {"out"}

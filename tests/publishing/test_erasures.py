"""Erased users: refused on every host, also one that starts without Postgres, until lists without them are there."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing.changes import Fetch
from recsys.publishing.erasures import Erasures, user_hash
from recsys.publishing.history import RecentEvent
from recsys.publishing.leader import HostLeader
from recsys.publishing.live_lists import EMPTY, LiveLists, put_lists
from recsys.publishing.recent import RecentStore

NOW = datetime.now(UTC)
ERASE = """
insert into shop.erasures (dataset, user_hash) select 'shop', shop.user_hash(name) from unnest($1::text[]) name
"""


@pytest.fixture
def recent(tmp_path: Path) -> RecentStore:
    return RecentStore(tmp_path / "recent", 16 << 20, 50)


@pytest.fixture
def leader(tmp_path: Path) -> HostLeader:
    return HostLeader(tmp_path / "leader.lock")


@pytest.fixture
def erasures(context: RunContext, tmp_path: Path, leader: HostLeader, recent: RecentStore) -> Erasures:
    return Erasures(tmp_path / "erasures.json", leader, recent)


async def test_lists_from_before_are_hidden_until_step_1_has_settled_it(
    erasures: Erasures, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    await erasures.refresh(fetch, "shop")
    assert not erasures
    await pool.execute(ERASE, ["é"])
    await erasures.refresh(fetch, "shop")
    assert erasures
    assert erasures.hides("é", [NOW - timedelta(days=1)])
    assert erasures.hides("é", [NOW + timedelta(days=99)])
    assert not erasures.hides("somebody", [NOW])
    await pool.execute("update shop.erasures set settled_at = clock_timestamp(), txid = pg_current_xact_id()")
    await erasures.refresh(fetch, "shop")
    assert erasures.hides("é", [NOW + timedelta(days=2), NOW])
    assert not erasures.hides("é", [NOW + timedelta(days=2)])


async def test_a_start_without_postgres_still_refuses(
    erasures: Erasures, pool: asyncpg.Pool, fetch: Fetch, tmp_path: Path, leader: HostLeader, recent: RecentStore
) -> None:
    await pool.execute(ERASE, ["u"])
    await erasures.refresh(fetch, "shop")
    assert Erasures(tmp_path / "erasures.json", leader, recent).hides("u", [NOW])


async def test_another_hosts_recent_store_forgets(
    erasures: Erasures, pool: asyncpg.Pool, fetch: Fetch, recent: RecentStore
) -> None:
    await erasures.refresh(fetch, "shop")
    recent.add(
        RecentEvent(dataset, f"{dataset}-{user}", 1, "i", "view", user, f"s-{user}")
        for dataset in ("shop", "other")
        for user in ("gone", "kept")
    )
    await pool.execute(ERASE, ["gone", "session:s-gone"])
    await erasures.refresh(fetch, "shop")
    assert not recent.user("shop", "gone").events()
    assert not recent.session("shop", "s-gone").events()
    for dataset, user in (("shop", "kept"), ("other", "gone"), ("other", "kept")):
        assert recent.user(dataset, user).events()
        assert recent.session(dataset, f"s-{user}").events()


async def test_both_sides_hash_alike(context: RunContext, pool: asyncpg.Pool) -> None:
    for name in ("257597", "session:é 漢", " "):
        assert await pool.fetchval("select shop.user_hash($1)", name) == user_hash(name)


async def test_live_lists_of_erased_users_go_with_their_rows(
    erasures: Erasures, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    lists = LiveLists()
    async with pool.acquire() as connection, connection.transaction():
        await put_lists(connection, "shop", "fits_profile", {key: (["i"], [1.0]) for key in ("gone", "kept")})
    await lists.refresh(fetch, "shop")
    await erasures.refresh(fetch, "shop")
    await pool.execute("delete from shop.live_lists where key = 'gone'")
    await pool.execute(ERASE, ["gone"])
    erased = await erasures.refresh(fetch, "shop")
    assert erased == {user_hash("gone")}
    lists.forget(lambda key: user_hash(key) in erased)
    await lists.refresh(fetch, "shop")
    assert lists.get("fits_profile", "gone") == EMPTY
    assert lists.get("fits_profile", "kept").item_ids == ("i",)

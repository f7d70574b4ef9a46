"""Events that were changed or taken back leave the recent stores of all hosts, and take nothing else with them."""

from pathlib import Path

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing.changes import Fetch
from recsys.publishing.leader import HostLeader
from recsys.publishing.recent import RecentStore
from recsys.publishing.retractions import RETRACT
from recsys.publishing.tail import Tailer

INSERT = """
insert into raw.collected_events (dataset, event_id, timestamp_ms, user_id, session_id, item_id, event_type)
values ('shop', $1, $2, $3, $4, $5, $6)
"""


@pytest.fixture
def store(tmp_path: Path) -> RecentStore:
    return RecentStore(tmp_path / "recent", 16 << 20, 50)


@pytest.fixture
def tailer(context: RunContext, store: RecentStore, tmp_path: Path) -> Tailer:
    """Of a host that collected none of these events."""
    return Tailer(store, HostLeader(tmp_path / "leader.lock"))


async def take_back(pool: asyncpg.Pool, event_id: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(
            "delete from raw.collected_events where event_id = $1 returning user_id, session_id, timestamp_ms", event_id
        )
        assert row is not None
        await connection.execute(RETRACT, "shop", *row)


async def test_a_purchase_taken_back_is_none_for_user_and_session_and_the_rest_stays(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    await tailer.step(fetch)
    events = [
        ("1", 1, "u", "s", "mug", "view"),
        ("2", 2, "u", "s", "mug", "purchase"),
        ("3", 3, "u", "s", "cup", "purchase"),
        ("4", 4, "u", "other", "mug", "purchase"),
        ("5", 5, None, "guest", "tray", "purchase"),
        ("7", 7, None, "guest", "cup", "view"),
        ("6", 6, "v", "s2", "mug", "purchase"),
    ]
    await pool.executemany(INSERT, events)
    await tailer.step(fetch)
    assert store.user("shop", "u").purchased() == ["cup", "mug"]
    await take_back(pool, "2")
    await tailer.step(fetch)
    assert store.user("shop", "u").purchased() == ["mug", "cup"], "it was bought again, and that is the last now"
    assert store.session("shop", "s").purchased() == ["cup"]
    assert store.session("shop", "guest").purchased() == ["tray"]
    await take_back(pool, "4")
    await take_back(pool, "5")
    await tailer.step(fetch)
    assert store.user("shop", "u").purchased() == store.session("shop", "s").purchased() == ["cup"]
    assert [past.item_id for past in store.user("shop", "u").events()] == ["cup", "mug"]
    assert not store.session("shop", "other")
    guest = store.session("shop", "guest")
    assert (guest.purchased(), [past.item_id for past in guest.events()]) == ([], ["cup"])
    assert store.user("shop", "v").purchased() == store.session("shop", "s2").purchased() == ["mug"]


async def test_it_goes_on_where_it_stood_and_reads_no_retraction_twice(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool
) -> None:
    read: list[int] = []

    async def fetch(sql: str, *params: object) -> list[asyncpg.Record]:
        rows = await pool.fetch(sql, *params)
        read.extend(row["retraction_id"] for row in rows if "retraction_id" in row)
        return list(rows)

    await pool.executemany(INSERT, [(str(number), number, "u", None, f"i{number}", "purchase") for number in range(4)])
    await take_back(pool, "0")
    await tailer.step(fetch)
    assert read == [], "a new store has seen none of it"
    await take_back(pool, "1")
    await tailer.step(fetch)
    await tailer.step(fetch)
    assert len(read) == 1
    assert set(store.user("shop", "u").purchased()) == {"i2", "i3"}

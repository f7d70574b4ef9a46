from pathlib import Path

import asyncpg
import pytest

from recsys.pipeline.context import RunContext
from recsys.publishing import tail
from recsys.publishing.changes import Fetch
from recsys.publishing.leader import HostLeader
from recsys.publishing.recent import RecentStore
from recsys.publishing.tail import Tailer

INSERT = """
insert into raw.collected_events
  (dataset, event_id, timestamp_ms, user_id, session_id, item_id, event_type, ingested_at)
values ('shop', $1, $2, 'u', 's', 'item-' || $1, 'view', clock_timestamp() - make_interval(secs => $3))
"""


@pytest.fixture
def store(tmp_path: Path) -> RecentStore:
    return RecentStore(tmp_path / "recent", 16 << 20, 50)


@pytest.fixture
def tailer(context: RunContext, store: RecentStore, tmp_path: Path) -> Tailer:
    return Tailer(store, HostLeader(tmp_path / "leader.lock"))


def kept(store: RecentStore) -> list[str]:
    assert store.user("shop", "u").events() == store.session("shop", "s").events()
    return [past.item_id.removeprefix("item-") for past in store.user("shop", "u").events()]


async def collect(connection: asyncpg.Connection | asyncpg.Pool, *numbers: int, ago_s: float = 0) -> None:
    for number in numbers:
        await connection.execute(INSERT, str(number), number, ago_s)


async def test_events_of_other_hosts_come_in(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    await tailer.step(fetch)
    await collect(pool, 1, 2)
    await tailer.step(fetch)
    assert kept(store) == ["2", "1"]
    await collect(pool, 3)
    await tailer.step(fetch)
    assert kept(store) == ["3", "2", "1"]


async def test_a_slow_transaction_is_not_missed_and_nothing_is_read_twice(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool
) -> None:
    read: list[str] = []

    async def fetch(sql: str, *params: object) -> list[asyncpg.Record]:
        rows = await pool.fetch(sql, *params)
        read.extend(row["event_id"] for row in rows if "event_id" in row)
        return list(rows)

    await tailer.step(fetch)
    async with pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await collect(slow, 1)  # takes its arrival time now …
        await collect(pool, 2)
        await tailer.step(fetch)
        assert kept(store) == ["2"]
        await transaction.commit()  # … and shows it later than event 2
    await tailer.step(fetch)
    await tailer.step(fetch)
    assert kept(store) == ["2", "1"]
    assert read == ["2", "1"]


async def test_a_new_store_is_filled_from_postgres_within_bounds(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "_PAGE_ROWS", 3)
    await collect(pool, 1, 2, ago_s=86_400 * (tail.REBUILD_DAYS + 1))
    await collect(pool, *range(3, 20), ago_s=3_600)
    await tailer.step(fetch)
    assert kept(store) == [str(number) for number in range(19, 2, -1)]


async def test_no_more_than_so_many_events_are_read_again(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "REBUILD_EVENTS", 2)
    for number in range(5):
        await collect(pool, number, ago_s=1_000 - 100 * number)
    await tailer.step(fetch)
    assert kept(store) == ["4", "3", "2"]


async def test_it_goes_on_where_the_last_leader_stood(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch, tmp_path: Path
) -> None:
    await tailer.step(fetch)
    other = Tailer(store, HostLeader(tmp_path / "leader.lock"))
    await collect(pool, 1)
    await other.step(fetch)
    assert kept(store) == [], "somebody else leads"
    tailer._leader.release()
    await other.step(fetch)
    assert kept(store) == ["1"]


async def test_a_position_of_another_server_is_not_believed(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    await collect(pool, 1, ago_s=60)
    store.save_position({"snapshot": f"{2**60}:{2**60}:", "at": "2999-01-01T00:00:00+00:00"})
    await tailer.step(fetch)
    assert kept(store) == ["1"]


async def test_a_server_that_is_away_loses_nothing(
    tailer: Tailer, store: RecentStore, pool: asyncpg.Pool, fetch: Fetch
) -> None:
    async def gone(*_: object) -> list[asyncpg.Record]:
        raise ConnectionRefusedError

    await tailer.step(fetch)
    await collect(pool, 1)
    with pytest.raises(ConnectionRefusedError):
        await tailer.step(gone)
    await tailer.step(fetch)
    assert kept(store) == ["1"]

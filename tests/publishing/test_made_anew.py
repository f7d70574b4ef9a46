"""A dataset that was deleted and made anew under its name is another one: nothing of the first is left anywhere."""

from pathlib import Path

import asyncpg

from recsys.pipeline.context import RunContext
from recsys.publishing.availability import Availability
from recsys.publishing.changes import Fetch
from recsys.publishing.erasures import Erasures
from recsys.publishing.item_facts import ItemFacts
from recsys.publishing.leader import HostLeader
from recsys.publishing.live_lists import LiveLists
from recsys.publishing.recent import RecentStore
from recsys.publishing.tail import Tailer

# Each statement leaves something of the name given.
FILL = (
    "insert into shop.live_lists (dataset, name, key, item_ids, scores) values ('shop', 'trending', $1, '{i}', '{1}')",
    "insert into recs.item_state (dataset, item_id, category_id, is_available) values ('shop', $1, $1, false)",
    "insert into shop.erasures (dataset, user_hash) values ('shop', shop.user_hash($1))",
    "insert into raw.collected_events (dataset, event_id, timestamp_ms, user_id, item_id, event_type)"
    " values ('shop', $1, 1, $1, 'i', 'view')",
)
MAKE_ANEW = """
delete from raw.datasets where name = 'shop';
insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true);
"""


async def fill(pool: asyncpg.Pool, name: str) -> None:
    for statement in FILL:
        await pool.execute(statement, name)


async def test_no_follower_keeps_anything_of_the_first(
    context: RunContext, pool: asyncpg.Pool, fetch: Fetch, tmp_path: Path
) -> None:
    leader = HostLeader(tmp_path / "leader.lock")
    recent = RecentStore(tmp_path / "recent", 16 << 20, 50)
    lists, stock, tailer = LiveLists(), Availability(tmp_path / "stock.json", leader), Tailer(recent, leader)
    facts = ItemFacts(tmp_path / "facts", leader)
    erasures = Erasures(tmp_path / "erasures.json", leader, RecentStore(tmp_path / "another", 16 << 20, 50))

    async def held() -> dict[str, set[str]]:
        """Who has something of which name."""
        for follower in (lists, stock, facts, erasures):
            await follower.refresh(fetch, "shop")
        await tailer.step(fetch)
        names = ("first", "second")
        return {
            "lists": {name for name in names if lists.get("trending", name).item_ids},
            "stock": stock.unavailable,
            "facts": {item_id for item_id, _ in facts.all()},
            "members": set(facts.of_categories(names)),
            "erasures": {name for name in names if erasures.hides(name, [before])},
            "events": {name for name in names if recent.user("shop", name)},
        }

    before = await pool.fetchval("select now()")
    await fill(pool, "first")
    assert set(map(frozenset, (await held()).values())) == {frozenset({"first"})}
    await pool.execute(MAKE_ANEW)
    await fill(pool, "second")
    assert set(map(frozenset, (await held()).values())) == {frozenset({"second"})}
    await pool.execute("delete from raw.datasets")
    assert not any((await held()).values())
    facts.close()

"""What is worked out for a category is kept until something it depends on changes."""

from pathlib import Path

from fast_api_service.recommendations.categories import Categories
from recsys.placements.decisions import Decisions
from recsys.publishing.item_facts import ItemFacts
from recsys.publishing.leader import HostLeader
from recsys.publishing.snapshot import Snapshot
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.pool import create_pool


async def test_members_are_worked_out_once(database: PostgresSettings, tmp_path: Path) -> None:
    """In the reference what was computed never came into the cache."""
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
        cursor.execute("insert into shop.categories (dataset, category_id) values ('shop', 'toys')")
    leader = HostLeader(tmp_path / "leader.lock")
    decisions, facts = Decisions(tmp_path / "decisions.json", leader), ItemFacts(tmp_path / "item_facts", leader)
    pool = await create_pool(database, 1, name="test", timeout_ms=10_000)
    await decisions.refresh(pool.fetch, "shop")
    await pool.close()
    categories, snapshot = Categories(decisions, facts), Snapshot("shop", {})
    found = categories.members(snapshot, "toys")
    assert found is not None
    assert categories.members(snapshot, "toys") is found
    categories.forget()
    again = categories.members(snapshot, "toys")
    assert again is not found
    assert categories.members(Snapshot("shop", {}), "toys") is not again

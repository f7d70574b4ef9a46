"""Following what a shop decided: changes arrive, what is broken does not, and a start without Postgres goes on."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from recsys.placements.decisions import Decisions
from recsys.placements.plans import Plans
from recsys.publishing.item_facts import ItemFacts
from recsys.publishing.leader import HostLeader
from recsys.schema import Placement
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.pool import create_pool

HOME = {"placements": {"home": {"cascade": [{"source": "newest"}]}}}
RULE = {"action": "exclude", "conditions": {"item_ids": ["a"]}}


@pytest.fixture
async def pool(database: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values ('shop', 'csv'), ('other', 'csv')")
    pool = await create_pool(database, 1, name="test", timeout_ms=10_000)
    yield pool
    await pool.close()


@pytest.fixture
def decisions(tmp_path: Path) -> Decisions:
    return Decisions(tmp_path / "decisions.json", HostLeader(tmp_path / "leader.lock"))


async def configure(pool: asyncpg.Pool, body: Any) -> None:
    statement = "insert into shop.configurations (dataset, body, author) values ('shop', $1, 'me')"
    await pool.execute(statement, json.dumps(body))


async def rule(pool: asyncpg.Pool, rule_id: str, body: Any) -> None:
    statement = """insert into shop.rules (dataset, rule_id, body) values ('shop', $1, $2)
                   on conflict (dataset, rule_id) do update set body = excluded.body"""
    await pool.execute(statement, rule_id, json.dumps(body))


def first_source(decisions: Decisions) -> str:
    return str(decisions.configuration.of(Placement.HOME).cascade[0].source)


async def test_the_newest_version_is_taken_over(pool: asyncpg.Pool, decisions: Decisions) -> None:
    assert await decisions.refresh(pool.fetch, "shop")
    assert (decisions.version, first_source(decisions)) == (0, "ranked")
    assert not await decisions.refresh(pool.fetch, "shop")
    await configure(pool, HOME)
    assert await decisions.refresh(pool.fetch, "shop")
    assert (decisions.version > 0, first_source(decisions)) == (True, "newest")
    await decisions.refresh(pool.fetch, "other")
    assert (decisions.version, first_source(decisions)) == (0, "ranked")


async def test_a_configuration_broken_by_hand_leaves_the_last_good_one_in_use_also_after_a_start(
    pool: asyncpg.Pool, decisions: Decisions, tmp_path: Path
) -> None:
    await configure(pool, HOME)
    await decisions.refresh(pool.fetch, "shop")
    good = decisions.version
    await pool.execute("update shop.configurations set body = jsonb_set(body, '{placements,home,cascade}', '[]')")
    started_anew = Decisions(tmp_path / "decisions.json", HostLeader(tmp_path / "other.lock"))
    for each in (decisions, started_anew):
        await each.refresh(pool.fetch, "shop")
        assert (each.version, first_source(each)) == (good, "newest")
        assert "placements.home.cascade" in each.problems["configuration"]
        assert not await each.refresh(pool.fetch, "shop")
        assert each.problems
    await configure(pool, HOME)
    await decisions.refresh(pool.fetch, "shop")
    assert not decisions.problems


async def test_a_rule_broken_by_hand_leaves_its_last_good_form_and_the_others(
    pool: asyncpg.Pool, decisions: Decisions
) -> None:
    await rule(pool, "one", RULE)
    await decisions.refresh(pool.fetch, "shop")
    await rule(pool, "one", {"action": "explode"})
    await rule(pool, "two", RULE)
    await rule(pool, "never-good", {})
    await decisions.refresh(pool.fetch, "shop")
    assert decisions.rules.keys() == {"one", "two"}
    assert decisions.rules["one"].action == "exclude"
    assert decisions.problems
    await pool.execute("delete from shop.rules where rule_id <> 'two'")
    await decisions.refresh(pool.fetch, "shop")
    assert (decisions.rules.keys(), decisions.problems) == ({"two"}, {})


async def test_categories_of_the_api_count_before_those_of_files(pool: asyncpg.Pool, decisions: Decisions) -> None:
    load = """insert into raw.loads (dataset, table_name, file_name, content_sha256, rows_read, rows_accepted,
              rows_rejected) values ('shop', 'category_tree', 'f', $1, 1, 1, 0) returning load_id"""
    for number, rows in enumerate(({"a": None, "b": "a", "c": "a"}, {"c": "b"})):
        load_id = await pool.fetchval(load, str(number))
        await pool.execute(f"create table raw.tree_{load_id} partition of raw.category_tree for values in ({load_id})")
        await pool.executemany(
            "insert into raw.category_tree values ($1, $2, $3)", [(load_id, *row) for row in rows.items()]
        )
    await decisions.refresh(pool.fetch, "shop")
    assert decisions.tree.parents == {"a": None, "b": "a", "c": "b"}
    await pool.execute("insert into shop.categories (dataset, category_id, parent_id) values ('shop', 'b', null)")
    assert await decisions.refresh(pool.fetch, "shop")
    assert decisions.tree.path("c") == ("c", "b")


async def test_a_start_without_postgres_goes_on_with_what_was_decided(
    pool: asyncpg.Pool, decisions: Decisions, tmp_path: Path
) -> None:
    await configure(pool, HOME)
    await rule(pool, "one", RULE)
    await pool.execute("insert into shop.categories (dataset, category_id, parent_id) values ('shop', 'b', 'a')")
    await decisions.refresh(pool.fetch, "shop")
    await pool.execute("update shop.categories set title = 'Boots'")
    await decisions.refresh(pool.fetch, "shop")
    assert decisions.titles == {"b": "Boots"}
    other = Decisions(tmp_path / "decisions.json", HostLeader(tmp_path / "leader.lock"))
    assert (other.version, other.rules, other.configuration, other.tree.parents, other.titles) == (
        decisions.version,
        decisions.rules,
        decisions.configuration,
        decisions.tree.parents,
        decisions.titles,
    )


async def test_plans_follow_decisions_time_and_facts(pool: asyncpg.Pool, decisions: Decisions, tmp_path: Path) -> None:
    insert = "insert into recs.item_state (dataset, item_id, is_available, brand) values ('shop', $1, true, $2)"
    await pool.executemany(insert, [("a", "acme"), ("b", "other")])
    facts = ItemFacts(tmp_path / "facts", HostLeader(tmp_path / "leader.lock"))
    plans = Plans(decisions, facts)
    assert not plans["home"].rules
    await facts.refresh(pool.fetch, "shop")
    await rule(
        pool, "one", {"action": "include_only", "conditions": {"brands": ["acme"]}, "ends_at": "2100-01-01T00:00:00Z"}
    )
    await decisions.refresh(pool.fetch, "shop")
    facts.changed()
    plans.renew()
    assert (plans["home"].allowed, plans["home"].rules is plans["cart"].rules) == (("a",), True)
    await pool.execute("update recs.item_state set brand = 'acme' where item_id = 'b'")
    await facts.refresh(pool.fetch, "shop")
    plans.forget(facts.changed())
    assert plans["home"].allowed == ("a", "b")
    await rule(pool, "two", {"action": "pin", "conditions": {"item_ids": ["b"], "price_max": 5}, "position": 2})
    await decisions.refresh(pool.fetch, "shop")
    plans.renew()
    for price, pins in ((4, {2: "b"}), (6, {})):
        await pool.execute("update recs.item_state set price = $1 where item_id = 'b'", price)
        await facts.refresh(pool.fetch, "shop")
        plans.forget(facts.changed())
        assert plans["home"].rules.pins == pins
    await pool.execute("delete from shop.rules where rule_id = 'two'")
    await decisions.refresh(pool.fetch, "shop")
    plans.renew()
    plans.keep_time(datetime(2100, 1, 1, tzinfo=UTC))
    assert (plans["home"].allowed, bool(plans["home"].rules)) == ((), False)
    facts.close()

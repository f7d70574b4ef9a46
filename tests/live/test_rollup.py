import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from recsys.live.rollup import roll_up
from recsys.placements import token
from recsys.publishing.retractions import RETRACT

NOW = datetime.now(UTC)
TODAY = NOW.date()
NOON = datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC) - timedelta(hours=12)  # yesterday's
YESTERDAY = NOON.date()


def answer(items: dict[str, str], minute: int = 0, version: int = 7, placement: str = "home") -> str:
    """The id of an answer with these items and their sources, given so many minutes after yesterday's noon."""
    milliseconds = round((NOON + timedelta(minutes=minute)).timestamp() * 1000)
    answer_id = f"{milliseconds >> 16:08x}-{milliseconds & 0xFFFF:04x}-7000-8000-000000000000"
    return token.make(answer_id, placement, version, list(items), items.values())


class Shop:
    """Writes events as the collector does."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool, self.number = pool, 0

    async def event(self, kind: str, item_id: str, minute: int, answer_id: str | None = None, **more: Any) -> None:
        told = token.read(answer_id) if answer_id else None
        origin = told.origin(item_id) if told else None
        self.number += 1
        row = {
            "dataset": "shop",
            "event_id": f"e{self.number}",
            "timestamp_ms": round((NOON + timedelta(minutes=minute)).timestamp() * 1000),
            "item_id": item_id,
            "event_type": kind,
            "recommendation_id": answer_id,
            "placement": origin.placement if origin else None,
            "source": origin.source if origin else None,
            "version": origin.version if origin else None,
        } | (more or {"user_id": "anna"})
        marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await self.pool.execute(f"insert into raw.collected_events ({', '.join(row)}) values ({marks})", *row.values())


async def figures(pool: asyncpg.Pool, day: date = YESTERDAY) -> dict[tuple[str, str, int], dict[str, Any]]:
    rows = await pool.fetch("select placement, source, version, figures from ops.performance where day = $1", day)
    return {(row["placement"], row["source"], row["version"]): json.loads(row["figures"]) for row in rows}


@pytest.fixture
async def events(pool: asyncpg.Pool) -> Shop:
    await pool.execute("insert into recs.item_state (dataset, item_id, is_available) values ('shop', 'a', true)")
    return Shop(pool)


async def test_impressions_and_clicks_are_counted_once_by_placement_and_source(
    pool: asyncpg.Pool, events: Shop
) -> None:
    first = answer({"a": "ranked", "b": "ranked", "c": "default"})
    for item_id in "abcab":  # a and b scrolled past twice
        await events.event("impression", item_id, 1, first)
    await events.event("click", "a", 2, first)
    await events.event("view", "a", 2, first)  # the page that the click opened
    await events.event("view", "b", 3)  # found by himself
    await events.event("impression", "a", 4, answer({"a": "similar"}, 3, placement="cart"))
    await roll_up(pool)
    found = await figures(pool)
    assert found["home", "ranked", 7].items() >= {"impressions": 2, "clicks": 1, "items": 2, "catalogue": 1}.items()
    assert found["home", "default", 7].items() >= {"impressions": 1, "clicks": 0, "items": 1}.items()
    assert found["home", "", 7].items() >= {"impressions": 3, "clicks": 1, "items": 3}.items()
    for source in ("similar", ""):
        assert found["cart", source, 7].items() >= {"impressions": 1, "clicks": 0, "items": 1}.items()


async def test_purchases_count_for_their_answer_or_else_for_the_newest_click(pool: asyncpg.Pool, events: Shop) -> None:
    old = answer({"a": "ranked"}, minute=-9 * 24 * 60)
    home, cart = answer({"a": "ranked", "b": "online"}), answer({"a": "similar"}, 5, placement="cart")
    await events.event("click", "a", 1, home)
    await events.event("click", "a", 6, cart)
    await events.event("click", "c", -9 * 24 * 60, answer({"c": "default"}, -9 * 24 * 60))
    await events.event("click", "g", 1, answer({"g": "default"}), session_id="guest")
    await events.event("purchase", "a", 10, user_id="anna", price=20.0, quantity=2.0)  # the cart's click is newer
    await events.event("purchase", "b", 11, home, user_id="anna", price=5.0)  # names its answer
    await events.event("purchase", "c", 12, user_id="anna", price=100.0)  # clicked too long ago
    await events.event("purchase", "a", 13, old, user_id="ben", price=1.0)  # its answer is too old
    await events.event("purchase", "g", 14, user_id="gina", session_id="guest", price=3.0)  # logged in after the click
    await events.event("purchase", "d", 15, "not-a-token", user_id="anna", price=7.0)
    await roll_up(pool)
    found = await figures(pool)
    sold = {key: (told["conversions"], told["revenue"]) for key, told in found.items() if "conversions" in told}
    assert sold == {
        ("cart", "similar", 7): (1, 40.0),
        ("cart", "", 7): (1, 40.0),
        ("home", "online", 7): (1, 5.0),
        ("home", "default", 7): (1, 3.0),
        ("home", "", 7): (2, 8.0),
    }
    assert found["", "", 0].items() >= {"purchases": 6, "turnover": 156.0}.items()


async def test_hit_rates_look_at_the_first_k(pool: asyncpg.Pool, events: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPORTS_K", "2")
    hit = answer({"a": "ranked", "b": "default", "c": "default"}, 0)
    too_low = answer({"a": "ranked", "b": "default", "c": "default"}, 10)
    later = answer({"a": "ranked", "b": "default", "c": "default"}, 20)
    too_late = answer({"a": "ranked"}, 30, version=8)
    for told, user in ((hit, "u1"), (too_low, "u2"), (later, "u3"), (too_late, "u4")):
        await events.event("impression", "a", 35, told, user_id=user)
    await events.event("click", "a", 40, hit, user_id="u1")
    await events.event("click", "c", 40, too_low, user_id="u2")
    await events.event("view", "b", 50, user_id="u3")
    await events.event("view", "a", 30 + 25 * 60, user_id="u4")
    await roll_up(pool)
    found = await figures(pool)

    def judged(*key: Any) -> tuple[int, int, int]:
        told = found[key]
        return told["judged"], told["hits"], told["future_hits"]

    assert judged("home", "", 7) == (3, 1, 2)
    assert judged("home", "ranked", 7) == (3, 1, 1)
    assert judged("home", "default", 7) == (3, 0, 1)
    assert judged("home", "", 8) == (1, 0, 0)


async def test_late_events_change_their_day_and_old_days_are_forgotten(pool: asyncpg.Pool, events: Shop) -> None:
    first = answer({"a": "ranked"})
    await events.event("impression", "a", 1, first)
    await roll_up(pool)
    made = await pool.fetchval("select max(made_at) from ops.performance")
    await events.event("click", "a", 2, first)
    await roll_up(pool)
    assert (await figures(pool))["home", "ranked", 7]["clicks"] == 1
    assert await pool.fetchval("select max(made_at) from ops.performance") > made
    long_ago = TODAY - timedelta(days=500)
    await pool.execute("insert into ops.performance values ('shop', $1, 'home', 'ranked', 1, '{}')", long_ago)
    await pool.execute("insert into ops.served values ('shop', $1, 'home', 'ranked', 1)", long_ago)
    await roll_up(pool)
    assert await figures(pool, long_ago) == {}
    assert await pool.fetchval("select count(*) from ops.served") == 0


async def test_without_news_nothing_is_made_anew(pool: asyncpg.Pool, events: Shop) -> None:
    await events.event("impression", "a", 1, answer({"a": "ranked"}))
    await roll_up(pool)
    await pool.execute("update raw.collected_events set ingested_at = ingested_at - interval '1 hour'")
    before = await pool.fetch("select * from ops.performance order by 2, 3, 4, 5")
    await roll_up(pool)
    assert await pool.fetch("select * from ops.performance order by 2, 3, 4, 5") == before


async def test_a_purchase_that_was_taken_back_counts_no_more(pool: asyncpg.Pool, events: Shop) -> None:
    await events.event("purchase", "a", 10, user_id="anna", price=20.0)
    await events.event("purchase", "a", 11, user_id="ben", price=1.0)
    await pool.execute("update raw.collected_events set ingested_at = now() - interval '1 hour'")
    await roll_up(pool)
    assert (await figures(pool))["", "", 0]["turnover"] == 21.0
    await pool.execute("delete from raw.collected_events where user_id = 'anna'")
    await pool.execute(RETRACT, "shop", "anna", None, round(NOON.timestamp() * 1000))
    await roll_up(pool)
    assert (await figures(pool))["", "", 0].items() >= {"purchases": 1, "turnover": 1.0}.items()

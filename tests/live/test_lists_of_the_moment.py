"""Trending, newest, selection and exploration: what the worker lists, and what it must not."""

from typing import Any

import asyncpg
import numpy as np
import pytest

from recsys.live.exploration import Exploration, chances_to_be_best
from recsys.live.newest import list_products
from recsys.live.trending import Trending

EVENT = """
insert into raw.collected_events
  (dataset, event_id, timestamp_ms, user_id, item_id, event_type, placement, is_merged, ingested_at)
values ('shop', gen_random_uuid()::text, 1, $1, $2, $3, $4, $5, clock_timestamp() - make_interval(mins => $6))
"""


async def did(
    pool: asyncpg.Pool, item_id: str, users: int, kind: str = "view", ago: int = 1, *,
    placement: str | None = None, merged: bool = False,
) -> None:  # fmt: skip
    await pool.executemany(EVENT, [(f"u{n}", item_id, kind, placement, merged, ago) for n in range(users)])


async def listed(pool: asyncpg.Pool, name: str) -> dict[str, float]:
    row = await pool.fetchrow("select item_ids, scores from shop.live_lists where name = $1 and key = ''", name)
    return dict(zip(row["item_ids"], row["scores"], strict=True)) if row else {}


async def test_trending_is_what_more_shoppers_than_usual_look_at(pool: asyncpg.Pool) -> None:
    for ago in range(40, 1440, 40):
        await did(pool, "always popular", 9, ago=ago)
    await did(pool, "always popular", 6)
    await did(pool, "rising", 6)
    await did(pool, "one shopper's", 1)
    await pool.executemany(EVENT, [("u0", "one shopper's", "view", None, False, 1)] * 50)
    await did(pool, "only shown", 9, "impression")
    await did(pool, "disliked", 9, "dislike")
    await Trending().run(pool)
    found = await listed(pool, "trending")
    assert next(iter(found)) == "rising"
    assert found.get("always popular", 0) < found["rising"] / 2
    assert found.keys() <= {"rising", "always popular"}


async def test_newest_and_selection_hold_what_may_be_shown(pool: asyncpg.Pool) -> None:
    products: list[tuple[Any, ...]] = [
        # product, weight, stock, available, hidden, days ago
        ("old", 1.0, 5, True, False, 60),
        ("new", 1.0, None, True, False, 2),
        ("newer", 3.0, 5, True, False, 1),
        ("sold out", 9.0, 0, True, False, 1),
        ("hidden", 9.0, 5, True, True, 1),
        ("withdrawn", 9.0, 5, False, False, 1),
        ("picked", 2.0, 5, True, False, 90),
    ]
    await pool.executemany(
        "insert into shop.products (dataset, product_id, recommendation_weight, stock, is_available, is_hidden,"
        " created_at) values ('shop', $1, $2, $3, $4, $5, clock_timestamp() - make_interval(days => $6))",
        products,
    )
    await list_products(pool)
    assert list(await listed(pool, "newest")) == ["newer", "new"]
    assert await listed(pool, "selection") == {"newer": 3.0, "picked": 2.0}
    await pool.execute("update shop.products set stock = 0 where product_id = 'newer'")
    await list_products(pool)
    assert list(await listed(pool, "newest")) == ["new"]


async def test_exploration_learns_from_what_is_clicked(pool: asyncpg.Pool) -> None:
    items = [f"i{number}" for number in range(10)]
    await pool.executemany(
        "insert into recs.item_state (dataset, item_id, is_available) values ('shop', $1, $2)",
        [(item_id, item_id != "i9") for item_id in items],
    )
    job = Exploration()
    await job.run(pool)
    first = await listed(pool, "exploration")
    assert set(first) == set(items[:9])
    assert sum(first.values()) == pytest.approx(1)
    await did(pool, "i1", 100, "impression", placement="home")
    await did(pool, "i2", 100, "impression", placement="home")
    await did(pool, "i2", 40, "click", placement="home")
    await did(pool, "i2", 9, "view")  # not from a recommendation
    await did(pool, "i3", 1_000, "impression", placement="home")
    await did(pool, "i1", 50, "click", placement="home", merged=True)  # counted before it merged
    for _ in range(2):
        await job.run(pool)
    counted = await pool.fetch("select item_id, impressions, clicks from shop.item_feedback order by 1")
    assert [tuple(row) for row in counted] == [("i1", 100, 0), ("i2", 100, 40), ("i3", 1000, 0)]
    found = await listed(pool, "exploration")
    assert "i3" not in found, "everybody knows it by now"
    assert next(iter(found)) == "i2"
    assert found["i1"] < first["i1"] / 2


def test_chances_are_those_of_thompson_sampling() -> None:
    shown, clicked = np.array([0.0, 0.0, 1000.0, 1000.0]), np.array([0.0, 0.0, 10.0, 60.0])
    chances = chances_to_be_best(shown, clicked, 0.05)
    assert chances.sum() == pytest.approx(1)
    assert chances[0] == pytest.approx(chances[1], abs=0.05), "nothing is known of either"
    assert chances[2] < 0.01 < chances[0]
    assert chances_to_be_best(np.array([]), np.array([]), 0.05).tolist() == []
    np.testing.assert_array_equal(chances, chances_to_be_best(shown, clicked, 0.05))

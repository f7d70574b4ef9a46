"""Live lists: what a job puts, every follower has at its next look; what did not change costs nothing."""

import asyncpg

from recsys.pipeline.context import RunContext
from recsys.publishing.changes import Fetch
from recsys.publishing.live_lists import EMPTY, LiveList, LiveLists, put_lists


async def put(pool: asyncpg.Pool, lists: dict[str, list[str]], **options: bool) -> None:
    async with pool.acquire() as connection, connection.transaction():
        scored = {key: (items, [float(len(items))] * len(items)) for key, items in lists.items()}
        await put_lists(connection, "shop", "trending", scored, **options)


async def test_followers_see_lists_come_change_and_go(context: RunContext, pool: asyncpg.Pool, fetch: Fetch) -> None:
    follower = LiveLists()
    assert follower.get("trending") == EMPTY
    await put(pool, {"": ["a", "b"], "shoes": ["s"]})
    await follower.refresh(fetch, "shop")
    assert follower.get("trending") == LiveList(("a", "b"), (2.0, 2.0))
    await put(pool, {"": ["c"]})
    await follower.refresh(fetch, "shop")
    assert (follower.get("trending").item_ids, follower.get("trending", "shoes")) == (("c",), EMPTY)
    await put(pool, {"hats": ["h"]}, keep_others=True)
    await follower.refresh(fetch, "shop")
    assert (follower.get("trending").item_ids, follower.get("trending", "hats").item_ids) == (("c",), ("h",))
    late = LiveLists()
    await late.refresh(fetch, "shop")
    assert late._lists == follower._lists
    await late.refresh(fetch, "other")
    assert late.get("trending") == EMPTY


async def test_what_did_not_change_is_not_read_again(context: RunContext, pool: asyncpg.Pool) -> None:
    rows: list[str] = []

    async def fetch(sql: str, *params: object) -> list[asyncpg.Record]:
        found = await pool.fetch(sql, *params)
        rows.extend(row["key"] for row in found if "key" in row)
        return list(found)

    follower = LiveLists()
    await put(pool, {"": ["a"], "shoes": ["s"]})
    await follower.refresh(fetch, "shop")
    await put(pool, {"": ["a"], "shoes": ["t"]})
    await follower.refresh(fetch, "shop")
    await follower.refresh(fetch, "shop")
    assert sorted(rows) == ["", "shoes", "shoes"]

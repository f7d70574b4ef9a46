"""What came into the shop last, and what the shop picks itself: the live lists `newest` and `selection`."""

import asyncpg

from recsys.live.datasets import active_dataset
from recsys.publishing.live_lists import put_lists

NEWEST, SELECTION = "newest", "selection"
SIZE = 200
NEW_DAYS = 30

_SHOWN = "dataset = $1 and is_available and not is_hidden and coalesce(stock, 1) > 0"
_NEWEST = f"""
select product_id, extract(epoch from created_at)::bigint as score from shop.products
where {_SHOWN} and created_at > clock_timestamp() - make_interval(days => $2)
order by created_at desc, product_id limit $3
"""
# 1 is what a product has that nobody weighted.
_SELECTION = f"""
select product_id, recommendation_weight as score from shop.products
where {_SHOWN} and recommendation_weight > 1
order by recommendation_weight desc, product_id limit $2
"""


async def list_products(pool: asyncpg.Pool) -> None:
    """Make both lists anew; the scores are the second a product came in, and the shop's weight."""
    dataset = await active_dataset(pool)
    if dataset is None:
        return
    async with pool.acquire() as connection, connection.transaction():
        found = {
            NEWEST: await connection.fetch(_NEWEST, dataset, NEW_DAYS, SIZE),
            SELECTION: await connection.fetch(_SELECTION, dataset, SIZE),
        }
        for name, rows in found.items():
            items, scores = [row["product_id"] for row in rows], [float(row["score"]) for row in rows]
            await put_lists(connection, dataset, name, {"": (items, scores)})

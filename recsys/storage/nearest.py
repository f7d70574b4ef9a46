"""The items nearest to a vector: looked up in the HNSW index of content vectors (pgvector), or all compared.

A small catalogue is compared whole: it takes a few milliseconds and finds everything, while the graph of a small
catalogue of many like items may hold islands that no search reaches.
"""

from collections.abc import Mapping

import asyncpg

# How many candidates a search keeps in view: recall against speed, measured by `recsys bench vectors`.
EF_SEARCH = 1000

# Items at the last time that all vectors were made; by the next time there are twice as many.
EXACT_BELOW = 10_000

_IS_LARGE = "select fitted >= $2 from shop.vector_progress where dataset = $1"
_SETTINGS = f"set local hnsw.ef_search = {EF_SEARCH}; set local hnsw.iterative_scan = strict_order"
# Never what is not to be had: the search goes on until there are enough others. The dataset is a parameter, so that
# only its partition, and the index on that, is searched.
_NEAREST = """
select wanted.key, near.item_id, near.title, near.score
from unnest($2::text[], ($3::text[])::vector[]) as wanted(key, embedding)
cross join lateral (
    select vector.item_id, state.title, 1 - (vector.embedding <=> wanted.embedding) as score
    from shop.item_vectors vector join recs.item_state state using (dataset, item_id)
    where vector.dataset = $1 and state.is_available and not state.is_hidden
    order by {distance} limit $4
) near
order by wanted.key, near.score desc
"""
_BY_INDEX = _NEAREST.format(distance="vector.embedding <=> wanted.embedding")
_EXACTLY = _NEAREST.format(distance="(vector.embedding <=> wanted.embedding) + 0")  # the index cannot order by a sum


async def nearest(
    connection: asyncpg.Connection, dataset: str, vectors: Mapping[str, str], size: int, *, exact: bool | None = None
) -> dict[str, list[asyncpg.Record]]:
    """Up to `size` available items for each vector, the nearest first, as (key, item_id, title, score).

    Items with nothing in common, whose cosine is not above 0, are left out. Call it in a transaction.

    Args:
        vectors: by any key, in Postgres' notation, `[1,2,…]`.
        exact: whether to compare all; None: if the catalogue is small.
    """
    if exact is None:
        exact = not await connection.fetchval(_IS_LARGE, dataset, EXACT_BELOW)
    if not exact:
        await connection.execute(_SETTINGS)
    statement = _EXACTLY if exact else _BY_INDEX
    found: dict[str, list[asyncpg.Record]] = {key: [] for key in vectors}
    for row in await connection.fetch(statement, dataset, list(vectors), list(vectors.values()), size):
        if row["score"] > 0:
            found[row["key"]].append(row)
    return found

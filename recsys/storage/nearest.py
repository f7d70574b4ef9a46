"""The items nearest to a vector, by the HNSW index of content vectors (pgvector)."""

from collections.abc import Mapping

import asyncpg

# How many candidates a search keeps in view: recall against speed, measured by `recsys bench vectors`.
EF_SEARCH = 100

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
    order by vector.embedding <=> wanted.embedding limit $4
) near
order by wanted.key, near.score desc
"""


async def nearest(
    connection: asyncpg.Connection, dataset: str, vectors: Mapping[str, str], size: int
) -> dict[str, list[asyncpg.Record]]:
    """Up to `size` available items for each vector, the nearest first, as (key, item_id, title, score).

    Items with nothing in common, whose cosine is not above 0, are left out. Call it in a transaction.

    Args:
        vectors: by any key, in Postgres' notation, `[1,2,…]`.
    """
    await connection.execute(_SETTINGS)
    found: dict[str, list[asyncpg.Record]] = {key: [] for key in vectors}
    for row in await connection.fetch(_NEAREST, dataset, list(vectors), list(vectors.values()), size):
        if row["score"] > 0:
            found[row["key"]].append(row)
    return found

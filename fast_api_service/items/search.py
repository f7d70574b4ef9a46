"""Items by what a text says: the sum of its words' vectors, and the items nearest to it.

Vectors are made by the worker, never here; this asks Postgres, so it is no part of the recommendations' path.
"""

from typing import Any

import asyncpg

from fast_api_service.database import database_errors
from recsys.models.words import words
from recsys.storage.nearest import nearest

_WORDS = """
select dataset, array_agg(word) as known, sum(embedding)::text as embedding from shop.words
where dataset = (select name from raw.datasets where is_active) and word = any($1) group by dataset
"""


async def like(pool: asyncpg.Pool, text: str, limit: int) -> dict[str, Any]:
    """The document of `SearchResults`.

    Raises:
        ProblemError: 503 when Postgres is away.
    """
    asked = list(dict.fromkeys(words(text)))
    with database_errors("Nothing can be searched."):
        async with pool.acquire() as connection, connection.transaction():
            found = await connection.fetchrow(_WORDS, asked)
            rows = (await nearest(connection, found["dataset"], {"": found["embedding"]}, limit))[""] if found else []
    known = set(found["known"]) if found else set()
    return {
        "like": text,
        "unknown_words": [word for word in asked if word not in known],
        "items": [
            {"item_id": row["item_id"], "rank": rank, "score": row["score"], "title": row["title"]}
            for rank, row in enumerate(rows, 1)
        ],
    }

"""All of a dataset's vectors made anew: filled and indexed beside the ones in use, then put in their place at once.

An HNSW index is built several times faster over rows that are there than row by row, and searches go on meanwhile.
"""

import asyncpg
import numpy as np

from recsys.live import vector_store
from recsys.models.word_vectors import WordVectors

BUILD_MEMORY = "512MB"  # what an index of some 350,000 items needs; beyond it the build goes on, more slowly
LEARN_FROM = 20  # items; of fewer there is nothing to learn
ROWS_AT_A_TIME = 10_000

_LEFTOVERS = """
select c.oid::regclass::text from pg_class c
where c.relnamespace = 'shop'::regnamespace and c.relkind = 'r' and c.relname ~ '^item_vectors_[0-9]+$'
  and not exists (select from pg_inherits where inhrelid = c.oid)
"""
_IN_USE = """
select c.oid::regclass::text from pg_inherits join pg_class c on c.oid = inhrelid
where inhparent = 'shop.item_vectors'::regclass
  and pg_get_expr(c.relpartbound, c.oid) = format('FOR VALUES IN (%L)', $1::text)
"""
_PROGRESS = """
insert into shop.vector_progress (dataset, fitted, length, seen) values ($1, $2, $3, $4)
on conflict (dataset) do update set fitted = excluded.fitted, length = excluded.length, seen = excluded.seen
"""


async def rebuild(
    connection: asyncpg.Connection,
    dataset: str,
    words: WordVectors,
    vectors: dict[str, np.ndarray],
    fitted: int,
    seen: str,
) -> None:
    """Replace the dataset's vectors and words.

    Args:
        connection: one that nobody else uses; its time limits are lifted.
        fitted: how many items the words were learned from.
        seen: the Postgres snapshot that the vectors belong to.
    """
    await connection.execute("set statement_timeout = 0; set transaction_timeout = 0; set client_min_messages = error")
    for (leftover,) in await connection.fetch(_LEFTOVERS):
        await connection.execute(f"drop table {leftover}")
    # Names come from the catalogue or from a number; the dataset is quoted by Postgres.
    number = await connection.fetchval("select nextval('shop.revisions')")
    table, value = f"item_vectors_{number}", await connection.fetchval("select quote_literal($1::text)", dataset)
    await connection.execute(
        f"create table shop.{table} (like shop.item_vectors including constraints, check (dataset = {value}))"
    )
    ids = sorted(vectors)
    for start in range(0, len(ids), ROWS_AT_A_TIME):
        some = ids[start : start + ROWS_AT_A_TIME]
        await connection.copy_records_to_table(
            table,
            schema_name="shop",
            records=[(dataset, item_id, vector_store.packed(vectors[item_id])) for item_id in some],
            timeout=None,
        )
    await connection.execute(f"set maintenance_work_mem = '{BUILD_MEMORY}'")
    await connection.execute(f"alter table shop.{table} add primary key (dataset, item_id)", timeout=3600)
    await connection.execute(
        f"create index on shop.{table} using hnsw (embedding vector_cosine_ops) with (m = 32, ef_construction = 160)",
        timeout=3600,
    )
    # Without statistics the planner would rather sort the whole table than use the index.
    await connection.execute(f"analyze shop.{table}; analyze recs.item_state", timeout=3600)
    async with connection.transaction():
        for (old,) in await connection.fetch(_IN_USE, dataset):
            await connection.execute(f"drop table {old}")
        await connection.execute(
            f"alter table shop.item_vectors attach partition shop.{table} for values in ({value})", timeout=3600
        )
        await connection.execute("delete from shop.words where dataset = $1", dataset)
        await vector_store.keep_words(connection, dataset, words.known)
        await connection.execute(_PROGRESS, dataset, fitted, words.length, seen)

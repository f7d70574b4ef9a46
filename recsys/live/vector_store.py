"""SQL of content vectors: what is known of items, their vectors, and the words' vectors that they are made of."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg
import numpy as np

from recsys.models.word_vectors import Corpus, WordVectors
from recsys.models.words import item_words
from recsys.publishing.changes import NOW, oldest_unseen, pages

PAGE_ROWS = 1_000

_HEADER = struct.Struct(">HH")

_FACTS = """
select state.item_id, state.title, product.description, state.brand, state.tags, state.category_id,
       category.title as category_title, state.price, product.attributes
from recs.item_state state
left join shop.products product on (product.dataset, product.product_id) = (state.dataset, state.item_id)
left join shop.categories category
       on (category.dataset, category.category_id) = (state.dataset, state.category_id)
where state.dataset = $1
"""
_ALL = _FACTS + " and state.item_id > $2 order by state.item_id limit $3"
_THESE = _FACTS + " and state.item_id = any($2)"
_CHANGED = """
select txid::text as txid, {key} as id from {table}
where (txid, {key}) > ($1::text::xid8, $2) and dataset = $3
  and not pg_visible_in_snapshot(txid, $4::text::pg_snapshot)
order by {table}.txid, {key} limit $5
"""
CHANGED_ITEMS = _CHANGED.format(key="item_id", table="recs.item_state")
CHANGED_PRODUCTS = _CHANGED.format(key="product_id", table="shop.products")
CHANGED_CUSTOMERS = _CHANGED.format(key="customer_id", table="shop.customers")

_UPSERT = """
insert into shop.item_vectors as vector (dataset, item_id, embedding)
select $1, item_id, embedding from unnest($2::text[], $3::vector[]) as new(item_id, embedding)
on conflict (dataset, item_id) do update set embedding = excluded.embedding
where vector.embedding <> excluded.embedding
"""
_FORGET = "delete from shop.item_vectors where dataset = $1 and item_id = any($2)"
_KEEP_WORDS = """
insert into shop.words (dataset, word, embedding)
select $1, word, embedding from unnest($2::text[], $3::vector[]) as new(word, embedding)
on conflict do nothing
"""


async def with_vectors(connection: asyncpg.Connection) -> asyncpg.Connection:
    """Let the connection take what `packed` gives for a vector, and give arrays."""
    await connection.set_type_codec(
        "vector",
        schema="public",
        format="binary",
        encoder=bytes,
        decoder=lambda data: np.frombuffer(data, ">f4", offset=_HEADER.size).astype(np.float32),
    )
    return connection


def packed(vector: np.ndarray) -> bytes:
    """A vector as Postgres takes it."""
    return _HEADER.pack(len(vector), 0) + vector.astype(">f4").tobytes()


def written(vector: np.ndarray) -> str:
    """A vector in Postgres' notation."""
    return f"[{','.join(map(str, vector.tolist()))}]"


async def present(connection: asyncpg.Connection) -> tuple[str, datetime]:
    """The Postgres snapshot of this moment, and its time."""
    row = (await connection.fetch(NOW))[0]
    return row["snapshot"], row["at"]


async def changed(connection: asyncpg.Connection, statement: str, dataset: str, seen: str) -> set[str]:
    """Ids of rows written since the snapshot `seen`."""
    found: set[str] = set()
    start = (oldest_unseen(seen), "")
    async for page in pages(connection.fetch, statement, PAGE_ROWS, ("txid", "id"), start, dataset, seen):
        found.update(row["id"] for row in page)
    return found


async def documents(connection: asyncpg.Connection, dataset: str, item_ids: Sequence[str]) -> tuple[list[str], Corpus]:
    """The words of these items, and whose they are; without items of which too little is known."""
    ids, corpus = list[str](), Corpus()
    _add(ids, corpus, await connection.fetch(_THESE, dataset, item_ids))
    return ids, corpus


async def all_documents(connection: asyncpg.Connection, dataset: str) -> tuple[list[str], Corpus]:
    """The same of the whole catalogue."""
    ids, corpus = list[str](), Corpus()
    last = ""
    while page := await connection.fetch(_ALL, dataset, last, 5 * PAGE_ROWS):
        _add(ids, corpus, page)
        last = page[-1]["item_id"]
    return ids, corpus


def _add(ids: list[str], corpus: Corpus, rows: Iterable[asyncpg.Record]) -> None:
    for row in rows:
        known = dict(row)
        item_id = known.pop("item_id")
        if document := item_words(**known):
            ids.append(item_id)
            corpus.add(document)


async def upsert(connection: asyncpg.Connection, dataset: str, vectors: Mapping[str, np.ndarray]) -> None:
    """Store vectors of items, in one order against deadlocks."""
    ids = sorted(vectors)
    await connection.execute(_UPSERT, dataset, ids, [packed(vectors[item_id]) for item_id in ids])


async def forget(connection: asyncpg.Connection, dataset: str, item_ids: Iterable[str]) -> None:
    """Remove vectors of items of which too little is known by now."""
    if ids := sorted(item_ids):
        await connection.execute(_FORGET, dataset, ids)


async def load_words(connection: asyncpg.Connection, dataset: str, length: float) -> WordVectors:
    """The words' vectors as they were last stored."""
    rows = await connection.fetch("select word, embedding from shop.words where dataset = $1", dataset)
    return WordVectors({row["word"]: row["embedding"] for row in rows}, length=length)


async def keep_words(connection: asyncpg.Connection, dataset: str, words: Mapping[str, np.ndarray]) -> None:
    """Store the vectors of words that are not stored yet."""
    names = sorted(words)
    for start in range(0, len(names), 10 * PAGE_ROWS):
        some = names[start : start + 10 * PAGE_ROWS]
        await connection.execute(_KEEP_WORDS, dataset, some, [packed(words[word]) for word in some])

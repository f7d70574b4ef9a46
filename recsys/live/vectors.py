"""Content vectors kept up to date: of items that change, of customers, and the live lists that come of both.

`similar_by_content` (key: item id) holds neighbours of products that the pipeline has not seen yet; `fits_profile`
(key: user id) what suits a customer's purchases and profile. Both are bounded to the newest, as the service's workers
keep them in memory.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg
import numpy as np

from recsys.live import vector_store as store
from recsys.live.vector_index import LEARN_FROM, rebuild
from recsys.models.word_vectors import Corpus, WordVectors
from recsys.models.words import text_words
from recsys.publishing.changes import is_ahead
from recsys.publishing.live_lists import put_lists
from recsys.storage.nearest import nearest

SIMILAR_BY_CONTENT, FITS_PROFILE = "similar_by_content", "fits_profile"
MOST_LISTS = 10_000  # of each kind
LIST_SIZE = 20
BATCH_ITEMS = 500
REFIT_GROWTH = 2  # the words are learned anew when there are so many times the items they were learned from
LAST_PURCHASES = 50
LONGEST_TRANSACTION = timedelta(seconds=10)  # of one that stores events; its limit is 4 s
LONGEST_PAUSE = timedelta(hours=1)  # of the worker, after which purchases meanwhile are passed over
TIDY_INTERVAL_S = 60.0  # at which lists that are not wanted any more go, and how far this has come is stored

_PROGRESS = "select fitted, length, seen from shop.vector_progress where dataset = $1"
_COUNT = "select count(*) from shop.item_vectors where dataset = $1"
# What the pipeline has not had the time to see: it reads up to three hours before it publishes.
_NEW_PRODUCTS = """
select product.product_id from shop.products product join shop.item_vectors vector
    on (vector.dataset, vector.item_id) = (product.dataset, product.product_id)
where product.dataset = $1 and product.created_at > coalesce((
    select published_at - interval '3 hours' from recs.active_versions join recs.versions using (version)
    where active_versions.dataset = $1 and active_versions.table_name = 'similar_items'), '-infinity')
order by product.created_at desc limit $2
"""
_VECTORS = "select item_id, embedding from shop.item_vectors where dataset = $1 and item_id = any($2)"
_LISTED = "select key from shop.live_lists where dataset = $1 and name = $2 and item_ids <> '{}'"
_BUYERS = """
select customer_id from shop.customers
join (
    select user_id from raw.collected_events
    where dataset = $1 and event_type = 'purchase' and not pg_visible_in_snapshot(txid, $2::text::pg_snapshot)
      and ingested_at > $3
    union
    select user_id from raw.retractions
    where dataset = $1 and not pg_visible_in_snapshot(txid, $2::text::pg_snapshot) and retracted_at > $3
) as buyer on customer_id = user_id
where dataset = $1
"""
_CUSTOMERS = """
select customer_id, preference, coalesce((
    select array_agg(item_id) from (
        select item_id from raw.collected_events event
        where event.dataset = $1 and event.user_id = customer_id and event.event_type = 'purchase'
        order by timestamp_ms desc limit $3) last), '{}') as bought
from shop.customers where dataset = $1 and customer_id = any($2)
"""
_NEWEST_CUSTOMERS = "select customer_id from shop.customers where dataset = $1 order by updated_at desc limit $2"
_KEEP_CUSTOMERS = """
insert into shop.customer_vectors as vector (dataset, customer_id, embedding)
select $1, customer_id, embedding from unnest($2::text[], $3::vector[]) as new(customer_id, embedding)
on conflict (dataset, customer_id) do update set embedding = excluded.embedding
"""


class ContentVectors:
    """The job. Its memory of the words is only that: everything can be had from Postgres again."""

    def __init__(self) -> None:
        self._dataset: asyncpg.Record | None = None  # with the time it was made: one made anew is another
        self._words = WordVectors()
        self._fitted, self._seen = 0, ""
        self._looked_at: datetime | None = None
        self._next_tidying = 0.0
        self._last_in_turn = ""

    async def run(self, pool: asyncpg.Pool) -> None:
        """Bring in what has changed since the last time; everything, when there was none."""
        try:
            await self._run(pool)
        except BaseException:
            self._dataset = None  # what this remembers may not have been stored
            raise

    async def _run(self, pool: asyncpg.Pool) -> None:
        async with pool.acquire() as connection:
            await store.with_vectors(connection)
            active = await connection.fetchrow("select name, created_at from raw.datasets where is_active")
            if active is None:
                return
            dataset = active["name"]
            if active != self._dataset:
                await self._resume(connection, dataset)
                self._dataset = active
            now, at = await store.present(connection)
            if not self._seen or is_ahead(self._seen, now):
                await self._begin_anew(connection, dataset, now)
                items = customers = None
            else:
                items = await store.changed(connection, store.CHANGED_ITEMS, dataset, self._seen)
                items |= await store.changed(connection, store.CHANGED_PRODUCTS, dataset, self._seen)
                customers = await store.changed(connection, store.CHANGED_CUSTOMERS, dataset, self._seen)
                # Which of them are new the snapshot tells; the time only bounds how many events are looked at.
                since = (self._looked_at or at - LONGEST_PAUSE) - LONGEST_TRANSACTION
                customers |= {row[0] for row in await connection.fetch(_BUYERS, dataset, self._seen, since)}
                if items:
                    await self._take_in(connection, dataset, sorted(items))
                    if await connection.fetchval(_COUNT, dataset) >= max(LEARN_FROM, REFIT_GROWTH * self._fitted):
                        await self._begin_anew(connection, dataset, now)
                        items = customers = None
            tidy = time.monotonic() >= self._next_tidying
            if items is None or items or tidy:
                await self._tell_neighbours(connection, dataset, items)
            if customers is None or customers or tidy:
                await self._tell_profiles(connection, dataset, customers, in_turn=tidy)
            if tidy:
                await connection.execute("update shop.vector_progress set seen = $2 where dataset = $1", dataset, now)
                self._next_tidying = time.monotonic() + TIDY_INTERVAL_S
            self._seen, self._looked_at = now, at

    async def _resume(self, connection: asyncpg.Connection, dataset: str) -> None:
        progress = await connection.fetchrow(_PROGRESS, dataset)
        self._fitted, length, self._seen = progress or (0, 1.0, "")
        self._words = await store.load_words(connection, dataset, length)
        self._looked_at = None

    async def _begin_anew(self, connection: asyncpg.Connection, dataset: str, now: str) -> None:
        """Learn the words from the whole catalogue, and make all vectors of them."""
        ids, corpus = await store.all_documents(connection, dataset)
        self._fitted = len(ids) if len(ids) >= LEARN_FROM else 0
        self._words = await asyncio.to_thread(WordVectors.fit, corpus) if self._fitted else WordVectors()
        vectors = await asyncio.to_thread(self._words.vectors, corpus)
        await rebuild(connection, dataset, self._words, dict(zip(ids, vectors, strict=True)), self._fitted, now)

    async def _take_in(self, connection: asyncpg.Connection, dataset: str, item_ids: Sequence[str]) -> None:
        for start in range(0, len(item_ids), BATCH_ITEMS):
            some = item_ids[start : start + BATCH_ITEMS]
            ids, corpus = await store.documents(connection, dataset, some)
            new_words = corpus.words.keys() - self._words.known.keys()
            vectors = self._words.vectors(corpus)
            async with connection.transaction():
                await store.keep_words(connection, dataset, {word: self._words.vector(word) for word in new_words})
                await store.upsert(connection, dataset, dict(zip(ids, vectors, strict=True)))
                await store.forget(connection, dataset, set(some) - set(ids))

    async def _tell_neighbours(self, connection: asyncpg.Connection, dataset: str, changed: set[str] | None) -> None:
        """Lists of new products: of all, or of those that changed; lists of those that are new no more go."""
        new = {row[0] for row in await connection.fetch(_NEW_PRODUCTS, dataset, MOST_LISTS)}
        listed = {row[0] for row in await connection.fetch(_LISTED, dataset, SIMILAR_BY_CONTENT)}
        wanted = sorted(new if changed is None else new & (changed | (new - listed)))
        for start in range(0, len(wanted), BATCH_ITEMS):
            rows = await connection.fetch(_VECTORS, dataset, wanted[start : start + BATCH_ITEMS])
            found = await _nearest(connection, dataset, dict(rows), LIST_SIZE + 1)  # type: ignore[arg-type]
            lists = {key: [pick for pick in picks if pick[0] != key][:LIST_SIZE] for key, picks in found.items()}
            await _put(connection, dataset, SIMILAR_BY_CONTENT, lists)
        await _put(connection, dataset, SIMILAR_BY_CONTENT, {key: [] for key in listed - new})

    async def _tell_profiles(
        self, connection: asyncpg.Connection, dataset: str, changed: set[str] | None, *, in_turn: bool
    ) -> None:
        """Vectors and lists of customers: of the newest, or of those that changed; lists of others go.

        Args:
            in_turn: also of some who did not change, since what is new in the shop may suit them.
        """
        newest = {row[0] for row in await connection.fetch(_NEWEST_CUSTOMERS, dataset, MOST_LISTS)}
        listed = {row[0] for row in await connection.fetch(_LISTED, dataset, FITS_PROFILE)}
        told = newest if changed is None else changed or newest - listed
        wanted = sorted(told | self._whose_turn(newest) if in_turn else told)
        for start in range(0, len(wanted), BATCH_ITEMS):
            some = wanted[start : start + BATCH_ITEMS]
            rows = await connection.fetch(_CUSTOMERS, dataset, some, LAST_PURCHASES)
            bought = {row["customer_id"]: set(row["bought"]) for row in rows}
            every = sorted(set().union(*bought.values()))
            items = dict(await connection.fetch(_VECTORS, dataset, every))  # type: ignore[arg-type]
            profiles = Corpus(text_words(row["preference"] or "") for row in rows)
            vectors = {}
            for row, profile in zip(rows, self._words.vectors(profiles), strict=True):
                vector = profile + sum((items[each] for each in row["bought"] if each in items), np.zeros_like(profile))
                if length := np.linalg.norm(vector):
                    vectors[row["customer_id"]] = vector / length
            await connection.execute(_KEEP_CUSTOMERS, dataset, list(vectors), list(map(store.packed, vectors.values())))
            found = await _nearest(connection, dataset, vectors, LIST_SIZE + LAST_PURCHASES)
            lists = {
                key: [pick for pick in found.get(key, []) if pick[0] not in bought.get(key, ())][:LIST_SIZE]
                for key in some
            }
            await _put(connection, dataset, FITS_PROFILE, lists)
        await _put(connection, dataset, FITS_PROFILE, {key: [] for key in (listed | set(wanted)) - newest})

    def _whose_turn(self, customers: set[str]) -> set[str]:
        some = sorted(each for each in customers if each > self._last_in_turn)[:BATCH_ITEMS]
        self._last_in_turn = some[-1] if len(some) == BATCH_ITEMS else ""
        return set(some)


async def _nearest(
    connection: asyncpg.Connection, dataset: str, vectors: Mapping[str, np.ndarray], size: int
) -> dict[str, list[tuple[str, float]]]:
    """Items and their cosine for each vector, best first."""
    async with connection.transaction():
        found = await nearest(connection, dataset, {key: store.written(each) for key, each in vectors.items()}, size)
    return {key: [(row["item_id"], row["score"]) for row in rows] for key, rows in found.items()}


async def _put(
    connection: asyncpg.Connection, dataset: str, name: str, lists: Mapping[str, Sequence[tuple[str, float]]]
) -> None:
    if lists:
        split = {key: ([pick[0] for pick in picks], [pick[1] for pick in picks]) for key, picks in lists.items()}
        async with connection.transaction():
            await put_lists(connection, dataset, name, split, keep_others=True)


update_vectors = ContentVectors().run

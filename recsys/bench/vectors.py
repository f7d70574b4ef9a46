"""How fast and how exact the search for content vectors is, and how soon a new product is part of it."""

import asyncio
import io
import random
import statistics
import time
from dataclasses import dataclass

import asyncpg
import numpy as np

from recsys.live.vector_store import written
from recsys.live.vectors import ContentVectors
from recsys.models.word_vectors import Corpus, WordVectors
from recsys.models.words import text_words
from recsys.settings import PostgresSettings
from recsys.stack.temporary import temporary_suite
from recsys.storage import postgres
from recsys.storage.nearest import nearest
from recsys.storage.pool import create_pool

TOP = 10
TYPES, BRANDS, WORDS_OF_A_TYPE, COMMON_WORDS = 1_000, 3_000, 60, 4_000
COLUMNS = "dataset, product_id, title, description, brand, category_id, price, tags, attributes"


@dataclass(frozen=True)
class Catalogue:
    """A synthetic catalogue: each type of product has words of its own beside those that all share."""

    items: int = 235_000
    seed: int = 1

    def rows(self) -> bytes:
        """As COPY takes them."""
        chooser = random.Random(self.seed)
        out = io.StringIO()
        for number in range(self.items):
            kind = chooser.randrange(TYPES)
            own = [f"t{kind}w{int(chooser.paretovariate(0.7)) % WORDS_OF_A_TYPE}" for _ in range(10)]
            shared = [f"c{int(chooser.paretovariate(0.4)) % COMMON_WORDS}" for _ in range(10)]
            brand, price = chooser.randrange(BRANDS), round(chooser.lognormvariate(3, 1), 2)
            out.write(
                f"bench\ti{number}\t{' '.join(own[:4])}\t{' '.join(own[4:] + shared)}\tbrand{brand}\tk{kind}\t{price}"
                f'\t{{{own[0]}}}\t{{"colour": "colour{chooser.randrange(20)}"}}\n'
            )
        return out.getvalue().encode()

    def searches(self, count: int) -> list[str]:
        """Texts of two or three words of one type."""
        chooser = random.Random(self.seed + 1)
        return [
            " ".join(
                f"t{kind}w{int(chooser.paretovariate(0.7)) % WORDS_OF_A_TYPE}" for _ in range(chooser.choice((2, 3)))
            )
            for kind in (chooser.randrange(TYPES) for _ in range(count))
        ]


def measure(items: int = 235_000, searches: int = 2_000, judged: int = 200) -> dict[str, float]:
    """Fill a catalogue, let the worker's job make its vectors, then search for texts, one after the other.

    Returns:
        `items, build_s` (all vectors and the index from nothing), `new_product_s` (from the commit of a product to its
        list of neighbours), `p50_ms, p99_ms` of a search, `recall_at_10` against exact search, on `judged` of them.
    """
    with temporary_suite() as environment:
        database = PostgresSettings(
            port=int(environment["POSTGRES_PORT"]),
            database=environment["POSTGRES_DATABASE"],
            password=environment["POSTGRES_PASSWORD"],
        )
        catalogue = Catalogue(items)
        with postgres.transaction(database) as cursor:
            cursor.execute("insert into raw.datasets (name, source, is_active) values ('bench', 'synthetic', true)")
            cursor.copy_expert(f"copy shop.products ({COLUMNS}) from stdin", io.BytesIO(catalogue.rows()))
        return asyncio.run(_measure(database, catalogue, searches, judged))


async def _measure(database: PostgresSettings, catalogue: Catalogue, searches: int, judged: int) -> dict[str, float]:
    pool = await create_pool(database, 2, name="bench", timeout_ms=600_000)
    job = ContentVectors()
    started = time.perf_counter()
    await job.run(pool)
    build_s = time.perf_counter() - started
    waits = []
    for number in range(5):
        await pool.execute(
            "insert into shop.products (dataset, product_id, title) values ('bench', $1, 't7w1 t7w2')",
            f"new{number}",
        )
        started = time.perf_counter()
        await job.run(pool)
        waits.append(time.perf_counter() - started)
    async with pool.acquire() as connection:
        texts = catalogue.searches(searches)
        vectors = await _vectors(connection, texts)
        times, found = [], []
        for vector in vectors:
            started = time.perf_counter()
            async with connection.transaction():
                rows = await nearest(connection, "bench", {"": vector}, TOP)
            times.append(1000 * (time.perf_counter() - started))
            found.append({row["item_id"]: row["score"] for row in rows[""]})
        recalls = []
        for vector, approximate in zip(vectors[:judged], found, strict=False):
            async with connection.transaction():
                exact = (await nearest(connection, "bench", {"": vector}, TOP, exact=True))[""]
            # Of items of one score any may be among the ten.
            recalls.append(sum(score >= exact[-1]["score"] - 1e-6 for score in approximate.values()) / len(exact))
    await pool.close()
    times.sort()
    return {
        "items": catalogue.items,
        "build_s": build_s,
        "new_product_s": statistics.median(waits),
        "p50_ms": times[len(times) // 2],
        "p99_ms": times[int(len(times) * 0.99)],
        "recall_at_10": statistics.mean(recalls),
    }


async def _vectors(connection: asyncpg.Connection, texts: list[str]) -> list[str]:
    rows = await connection.fetch("select word, embedding::real[] as embedding from shop.words where dataset = 'bench'")
    words = WordVectors({row["word"]: np.array(row["embedding"], np.float32) for row in rows})
    return [written(vector) for vector in words.vectors(Corpus(text_words(text) for text in texts))]

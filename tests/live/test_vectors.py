"""Content vectors: made by the worker when a product changes, never by a request."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterable
from typing import Any

import asyncpg
import pytest

from recsys.live.vectors import ContentVectors
from recsys.models.word_vectors import Corpus, WordVectors
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.nearest import EXACT_BELOW
from recsys.storage.pool import create_pool
from tests.conftest import wait_until

INDEX_SEARCHES = """
select coalesce(sum(idx_scan), 0)::int from pg_stat_user_indexes
join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam where amname = 'hnsw'
"""
KINDS = {
    "shoe": ("running shoe cushion sole", "sport"),
    "phone": ("smartphone camera screen battery", "electronics"),
    "tea": ("green tea leaf aroma", "food"),
}


def write(database: PostgresSettings, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with postgres.transaction(database) as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []


def add(database: PostgresSettings, product_id: str, title: str, category: str | None = None) -> None:
    write(
        database,
        "insert into shop.products (dataset, product_id, title, category_id) values ('shop', %s, %s, %s)",
        product_id, title, category,
    )  # fmt: skip


@pytest.fixture
def shop(database: PostgresSettings) -> PostgresSettings:
    """Ten products of each kind."""
    write(database, "insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    for kind, (words, category) in KINDS.items():
        for number in range(10):
            add(database, f"{kind}{number}", f"{words} model{number}", category)
    return database


@pytest.fixture
async def pool(shop: PostgresSettings) -> AsyncIterator[asyncpg.Pool]:
    made = await create_pool(shop, 2, name="test", timeout_ms=60_000)
    yield made
    await made.close()


def lists(database: PostgresSettings, name: str) -> dict[str, list[str]]:
    return dict(write(database, "select key, item_ids from shop.live_lists where name = %s and item_ids <> '{}'", name))  # type: ignore[arg-type]


def kinds(item_ids: Iterable[str]) -> set[str]:
    return {item_id.rstrip("0123456789") for item_id in item_ids}


async def test_every_product_of_the_api_has_neighbours_of_its_kind(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    await ContentVectors().run(pool)
    found = lists(shop, "similar_by_content")
    assert len(found) == 30
    for item_id, neighbours in found.items():
        assert item_id not in neighbours
        assert kinds(neighbours[:9]) == kinds([item_id])


async def test_in_a_large_catalogue_the_index_finds_neighbours(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    """In the reference Python compared all pairs of products."""
    job = ContentVectors()
    await job.run(pool)
    write(shop, "update shop.vector_progress set fitted = %s", EXACT_BELOW)  # as if there were so many
    for way in ("enable_seqscan", "enable_sort"):  # of so few, Postgres would rather compare all
        write(
            shop,
            f"do $$ begin execute format('alter database %I set {way} = off', current_database()); end $$",
        )
    await pool.expire_connections()
    add(shop, "shoe99", "trail running shoe", "sport")
    await job.run(pool)
    assert kinds(lists(shop, "similar_by_content")["shoe99"][:9]) == {"shoe"}
    await pool.close()  # a connection tells its counts at its end
    wait_until(lambda: write(shop, INDEX_SEARCHES) == [(1,)], 10)


async def test_a_product_added_later_is_vectorised_with_words_nobody_used_before(
    shop: PostgresSettings, pool: asyncpg.Pool
) -> None:
    """Of the reference: a product added through the API is never vectorised."""
    job = ContentVectors()
    await job.run(pool)
    add(shop, "shoe99", "trail running shoe zorbli", "sport")
    add(shop, "boot99", "zorbli boot")
    await job.run(pool)
    found = lists(shop, "similar_by_content")
    assert kinds(found["shoe99"][:9]) <= {"shoe", "boot"}
    assert found["boot99"][0] == "shoe99"
    # A search by text adds up what is stored of its words.
    assert write(shop, "select word from shop.words where word = 'zorbli'")
    # A worker that starts afresh goes on with the same words.
    add(shop, "sandal99", "zorbli sandal")
    await ContentVectors().run(pool)
    assert set(lists(shop, "similar_by_content")["sandal99"][:2]) == {"shoe99", "boot99"}


async def test_what_a_product_becomes_decides_about_its_neighbours(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    job = ContentVectors()
    await job.run(pool)
    write(shop, "update shop.products set description = 'green tea leaf aroma', title = 'tea', category_id = 'food'"
                " where product_id = 'shoe1'")  # fmt: skip
    write(shop, "update shop.products set stock = 0 where product_id = 'tea1'")
    await job.run(pool)
    found = lists(shop, "similar_by_content")["shoe1"]
    assert kinds(found[:9]) == {"tea"}
    assert "tea1" not in found


async def test_a_description_alone_decides_too(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    job = ContentVectors()
    add(shop, "plain0", "article")
    await job.run(pool)
    write(shop, "update shop.products set description = 'green tea leaf aroma' where product_id = 'plain0'")
    await job.run(pool)
    assert kinds(lists(shop, "similar_by_content")["plain0"][:9]) == {"tea"}


async def test_a_deleted_product_is_nobodys_neighbour(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    job = ContentVectors()
    await job.run(pool)
    assert any("tea1" in found for found in lists(shop, "similar_by_content").values())
    write(shop, "delete from shop.products where product_id = 'tea1'")
    write(shop, "insert into shop.customers (dataset, customer_id, preference) values ('shop', 'ada', 'green tea')")
    write(shop, "update shop.products set title = title || ' new' where product_id ~ '^tea'")
    await ContentVectors().run(pool)
    found = lists(shop, "similar_by_content")
    assert "tea1" not in found
    assert kinds(found["tea2"][:8]) == {"tea"}
    for item_ids in (*(found[f"tea{number}"] for number in (0, *range(2, 10))), lists(shop, "fits_profile")["ada"]):
        assert "tea1" not in item_ids


async def test_learning_words_lets_the_workers_other_jobs_go_on(
    shop: PostgresSettings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a reference: training blocked the event loop. A queue's consumer shares it."""
    learned_in = []
    fit = WordVectors.fit

    def noted(corpus: Corpus) -> WordVectors:
        learned_in.append(threading.current_thread())
        return fit(corpus)

    monkeypatch.setattr(WordVectors, "fit", noted)
    await ContentVectors().run(pool)
    assert learned_in
    assert threading.main_thread() not in learned_in


async def test_words_are_learned_anew_when_the_catalogue_has_doubled(
    shop: PostgresSettings, pool: asyncpg.Pool
) -> None:
    job = ContentVectors()
    await job.run(pool)
    for number in range(31):
        add(shop, f"book{number}", f"novel paper author{number % 3}")
    await job.run(pool)
    assert write(shop, "select fitted from shop.vector_progress") == [(61,)]
    assert kinds(lists(shop, "similar_by_content")["book7"]) == {"book"}
    tables = write(shop, "select count(*) from pg_class where relname ~ '^item_vectors_[0-9]+$' and relkind = 'r'")
    assert tables == [(1,)]


async def test_a_customer_without_purchases_is_served_by_the_profile_and_one_with_by_both(
    shop: PostgresSettings, pool: asyncpg.Pool
) -> None:
    """Of the reference: fails for a customer without purchases, recommends what the customer owns."""
    job = ContentVectors()
    await job.run(pool)
    write(shop, "insert into shop.customers (dataset, customer_id, preference) values"
                " ('shop', 'ada', 'a good tea'), ('shop', 'bo', null), ('shop', 'cy', 'smartphone')")  # fmt: skip
    await job.run(pool)
    found = lists(shop, "fits_profile")
    assert kinds(found["ada"][:10]) == {"tea"}
    assert "bo" not in found
    for number in range(3):
        write(
            shop,
            "insert into raw.collected_events (dataset, event_id, timestamp_ms, user_id, item_id, event_type)"
            " values ('shop', %s, 1, 'bo', %s, 'purchase')",
            f"e{number}", f"shoe{number}",
        )  # fmt: skip
    await job.run(pool)
    found = lists(shop, "fits_profile")
    assert kinds(found["bo"][:7]) == {"shoe"}
    assert not {"shoe0", "shoe1", "shoe2"} & set(found["bo"])
    write(shop, "delete from raw.collected_events where event_id = 'e1'")
    write(shop, "insert into raw.retractions (dataset, user_id, timestamp_ms) values ('shop', 'bo', 1)")
    await job.run(pool)
    assert "shoe1" in lists(shop, "fits_profile")["bo"], "what was taken back fits again"
    write(shop, "delete from shop.customers where customer_id = 'ada'")
    job = ContentVectors()
    await job.run(pool)
    assert set(lists(shop, "fits_profile")) == {"bo", "cy"}
    assert {row[0] for row in write(shop, "select customer_id from shop.customer_vectors")} == {"bo", "cy"}


async def test_what_is_new_reaches_customers_who_have_a_list_in_turn(
    shop: PostgresSettings, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recsys.live.vectors.TIDY_INTERVAL_S", 0)
    monkeypatch.setattr("recsys.live.vectors.BATCH_ITEMS", 1)
    job = ContentVectors()
    write(shop, "insert into shop.customers (dataset, customer_id, preference) values"
                " ('shop', 'ada', 'green tea'), ('shop', 'cy', 'green tea')")  # fmt: skip
    await job.run(pool)
    add(shop, "tea77", "green tea", "food")
    for _ in range(3):  # more than one turn of one customer each
        await job.run(pool)
    found = lists(shop, "fits_profile")
    assert "tea77" in found["ada"]
    assert "tea77" in found["cy"]


async def test_lists_of_products_that_the_pipeline_knows_by_now_go(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    await ContentVectors().run(pool)
    write(shop, "insert into recs.versions (dataset, table_name, run_id, status, published_at)"
                " values ('shop', 'similar_items', 'r', 'ready', now() + interval '4 hours')")  # fmt: skip
    write(shop, "insert into recs.active_versions (dataset, table_name, version)"
                " select 'shop', 'similar_items', version from recs.versions")  # fmt: skip
    await ContentVectors().run(pool)
    assert lists(shop, "similar_by_content") == {}


async def test_a_rebuild_that_died_leaves_nothing_behind_and_the_old_vectors_in_use(
    shop: PostgresSettings, pool: asyncpg.Pool
) -> None:
    await ContentVectors().run(pool)
    before = write(shop, "select count(*) from shop.item_vectors")
    write(shop, "create table shop.item_vectors_1 (like shop.item_vectors)")
    write(shop, "delete from shop.vector_progress")
    await ContentVectors().run(pool)
    assert write(shop, "select count(*) from shop.item_vectors") == before
    assert write(shop, "select to_regclass('shop.item_vectors_1')") == [(None,)]


async def test_a_dataset_made_anew_under_its_name_is_learned_from_the_beginning(
    shop: PostgresSettings, pool: asyncpg.Pool
) -> None:
    job = ContentVectors()
    await job.run(pool)
    write(shop, "delete from raw.datasets")
    write(shop, "insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
    add(shop, "shoe0", "running shoe model0")
    await job.run(pool)
    words = {row[0] for row in write(shop, "select word from shop.words")}
    assert {"running", "shoe", "model0"} <= words, "though the job knew them before"


async def test_nothing_to_do_without_a_dataset(database: PostgresSettings) -> None:
    made = await create_pool(database, 1, name="test", timeout_ms=60_000)
    await asyncio.wait_for(ContentVectors().run(made), 5)
    await made.close()
    assert json.dumps(write(database, "select count(*) from shop.live_lists")) == "[[0]]"


async def test_a_run_that_failed_is_made_up_for(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    job = ContentVectors()
    await job.run(pool)
    add(shop, "shoe99", "running shoe zorbli")
    write(shop, "alter table shop.item_vectors rename to away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await job.run(pool)
    write(shop, "alter table shop.away rename to item_vectors")
    await job.run(pool)
    assert write(shop, "select word from shop.words where word = 'zorbli'")
    assert kinds(lists(shop, "similar_by_content")["shoe99"][:9]) == {"shoe"}

import polars as pl
import pytest
from raw_rows import collect, write_rows

from recsys.dataset.raw import RAW_EVENTS, RawDataset
from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.storage import postgres


def events(database: PostgresSettings, dataset: str = "shop", chunk_rows: int = 1_000) -> list[pl.DataFrame]:
    chunks: list[pl.DataFrame] = []
    with postgres.transaction(database) as cursor:
        RawDataset(cursor, dataset, chunk_rows).events(chunks.append)
    return chunks


def test_chunks_are_bounded_and_hold_whole_users_in_order_of_time(database: PostgresSettings) -> None:
    rows = [(1000 - n, f"u{n % 40:02}", f"i{n}", "view") for n in range(400)]
    write_rows(database, "shop", RawTable.EVENTS, rows)
    chunks = events(database, chunk_rows=25)
    assert len(chunks) > 10
    # A chunk holds what was asked for and at most the user that the chunk before broke off.
    assert max(chunk.height for chunk in chunks) < 25 + 10
    users = [user for chunk in chunks for user in chunk["user_id"].unique()]
    assert len(users) == len(set(users)) == 40
    together = pl.concat(chunks)
    assert together.height == 400
    assert together.equals(together.sort("user_id", "timestamp_ms"))


def test_only_this_datasets_loads_and_collected_events_are_read(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [(1, "a", "x", "view")])
    write_rows(database, "shop", RawTable.EVENTS, [(2, "b", "x", "view")])
    write_rows(database, "other", RawTable.EVENTS, [(3, "c", "x", "view")])
    collect(database, "shop", event_id="1", timestamp_ms=4, user_id="d", item_id="y", event_type="view")
    collect(database, "shop", event_id="2", timestamp_ms=5, session_id="s", item_id="y", event_type="view")
    collect(database, "other", event_id="1", timestamp_ms=6, user_id="e", item_id="y", event_type="view")
    (read,) = events(database)
    assert read.schema == RAW_EVENTS
    assert read.select("user_id", "session_id").rows() == [
        ("a", None),
        ("b", None),
        ("d", None),
        ("session:s", "s"),
    ]


def test_any_text_survives_the_way(database: PostgresSettings) -> None:
    values = ['comma, "quote"', "two\nlines", "é 漢 \\N", "\\", "NULL", "", " "]
    write_rows(database, "shop", RawTable.ITEM_PROPERTIES, [(n, "i", "title", value) for n, value in enumerate(values)])
    chunks: list[pl.DataFrame] = []
    with postgres.transaction(database) as cursor:
        RawDataset(cursor, "shop", 1_000).properties(chunks.append)
    assert chunks[0]["value"].to_list() == values


def test_a_later_load_wins_in_the_category_tree(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.CATEGORY_TREE, [("1", None), ("2", "1")])
    write_rows(database, "shop", RawTable.CATEGORY_TREE, [("2", "3")])
    with postgres.transaction(database) as cursor:
        tree = RawDataset(cursor, "shop", 1_000).category_tree()
    assert tree.sort("category_id").rows() == [("1", None), ("2", "3")]


def test_products_and_categories_of_the_api_come_after_what_was_loaded(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.ITEM_PROPERTIES, [(0, "a", "price", "1"), (0, "b", "price", "2")])
    write_rows(database, "shop", RawTable.CATEGORY_TREE, [("tea", None), ("mugs", None)])
    with postgres.transaction(database) as cursor:
        cursor.execute("set local recsys.told_at_ms = '0'")
        cursor.execute("insert into shop.categories (dataset, category_id, parent_id) values ('shop', 'tea', 'food')")
        cursor.execute("insert into shop.products (dataset, product_id, price) values ('shop', 'a', 9)")
        cursor.execute("update shop.products set price = 3")
    chunks: list[pl.DataFrame] = []
    with postgres.transaction(database) as cursor:
        raw = RawDataset(cursor, "shop", 1_000)
        raw.properties(chunks.append)
        assert raw.category_tree().rows() == [("mugs", None), ("tea", "food")]
    prices = chunks[0].filter(property="price")
    assert prices.select("item_id", "value").rows() == [("a", "1"), ("a", "9"), ("a", "3"), ("b", "2")]


def test_newest_event_up_to_a_limit(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [(10, "a", "x", "view"), (99, "a", "x", "view")])
    collect(database, "shop", event_id="1", timestamp_ms=20, user_id="d", item_id="y", event_type="view")
    with postgres.transaction(database) as cursor:
        raw = RawDataset(cursor, "shop", 1_000)
        assert [raw.newest_event_ms(limit) for limit in (100, 50, 15, 5)] == [99, 20, 10, None]


def test_a_failing_chunk_ends_the_reading(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [(n, f"u{n}", "i", "view") for n in range(100)])
    seen = []

    def fail(chunk: pl.DataFrame) -> None:
        seen.append(chunk)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), postgres.transaction(database) as cursor:
        RawDataset(cursor, "shop", 10).events(fail)
    assert len(seen) == 1

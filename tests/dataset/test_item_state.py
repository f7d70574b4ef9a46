import polars as pl
from raw_rows import write_rows

from recsys.dataset.item_state import item_facts, update_item_state
from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.storage import postgres

SCHEMA = {
    "item_id": pl.String,
    "category_id": pl.String,
    "is_available": pl.Boolean,
    "price": pl.Float32,
    "title": pl.String,
    "property_brand": pl.String,
}


def update(database: PostgresSettings, *rows: tuple[object, ...]) -> int:
    with postgres.transaction(database) as cursor:
        items = pl.DataFrame([(*row, None, None)[:6] for row in rows], SCHEMA, orient="row")
        return update_item_state(cursor, "shop", item_facts(items.lazy()))


def state(database: PostgresSettings) -> dict[str, tuple[object, ...]]:
    with postgres.transaction(database) as cursor:
        cursor.execute("select item_id, category_id, is_available, price, changed_at from recs.item_state")
        return {row[0]: row[1:] for row in cursor.fetchall()}


def test_only_changed_rows_are_written(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [])
    assert update(database, ("a,\"'", "1", True, 0.1), ("b", None, True, None), ("c", "2", True, 3.0)) == 3
    before = state(database)
    assert update(database, ("a,\"'", "1", True, 0.1), ("b", None, False, None), ("c", "2", True, 3.0)) == 1
    after = state(database)
    assert after["a,\"'"] == before["a,\"'"]
    assert after["c"] == before["c"]
    assert after["b"][1] is False
    assert after["b"][3] > before["b"][3]  # type: ignore[operator]


def test_an_item_gone_from_the_catalogue_is_not_available(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [])
    update(database, ("a", None, True, None), ("b", None, True, None))
    assert update(database, ("b", None, True, None)) == 1
    assert {item: row[1] for item, row in state(database).items()} == {"a": False, "b": True}


def test_what_the_api_was_told_stays(database: PostgresSettings) -> None:
    write_rows(database, "shop", RawTable.EVENTS, [])
    update(database, ("a", "tea", True, 1.0, "Tea", "Fjord"), ("b", None, True, None))
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into shop.categories (dataset, category_id, is_repeatable) values ('shop', 'tea', true)")
        cursor.execute("insert into shop.products (dataset, product_id, stock, price) values ('shop', 'b', 0, 9)")
    assert update(database, ("a", "tea", True, 1.0, "Tea", "Fjord"), ("b", None, True, None)) == 0
    assert state(database)["b"][:3] == (None, False, 9.0)
    with postgres.transaction(database) as cursor:
        cursor.execute("update shop.products set stock = 3 where product_id = 'b'")
    assert update(database, ("c", "tea", True, None)) == 2
    assert {item: row[1] for item, row in state(database).items()} == {"a": False, "b": True, "c": True}
    with postgres.transaction(database) as cursor:
        cursor.execute("select item_id, title, brand, is_repeatable from recs.item_state order by 1")
        assert cursor.fetchall() == [("a", "Tea", "Fjord", True), ("b", None, None, False), ("c", None, None, True)]

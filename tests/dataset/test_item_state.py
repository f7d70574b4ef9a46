import polars as pl
from raw_rows import write_rows

from recsys.dataset.item_state import update_item_state
from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.storage import postgres

SCHEMA = {"item_id": pl.String, "category_id": pl.String, "is_available": pl.Boolean, "price": pl.Float32}


def update(database: PostgresSettings, *rows: tuple[object, ...]) -> int:
    with postgres.transaction(database) as cursor:
        return update_item_state(cursor, "shop", pl.DataFrame(rows, SCHEMA, orient="row"))


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

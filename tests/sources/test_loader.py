"""Loading is all or nothing, and twice is once."""

from collections.abc import Callable

from recsys.settings import PostgresSettings
from recsys.sources.report import LoadReport
from recsys.storage import postgres


def query(database: PostgresSettings, statement: str) -> list[tuple[object, ...]]:
    with postgres.transaction(database) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_the_rows_of_a_source_reach_the_raw_tables(
    database: PostgresSettings, load_simulated_shop: Callable[..., LoadReport]
) -> None:
    report = load_simulated_shop()
    assert {load.table: load.accepted for load in report.loads}["events"] == 3_000
    assert query(database, "select count(*) from raw.events") == [(3_000,)]
    assert query(database, "select name, is_active from raw.datasets") == [("simulator", True)]


def test_loading_the_same_again_changes_nothing(
    database: PostgresSettings, load_simulated_shop: Callable[..., LoadReport]
) -> None:
    first = load_simulated_shop()
    second = load_simulated_shop()
    assert not second.changed
    assert [load.load_id for load in second.loads] == [load.load_id for load in first.loads]
    assert query(database, "select count(*) from raw.loads") == [(3,)]

"""Which tables are found by a typed name, and which of them may be dropped."""

import pytest

from recsys.errors import BadInputError
from recsys.settings import PostgresSettings
from recsys.storage import postgres, tables
from tests import shop_tables


@pytest.fixture
def shop(database: PostgresSettings) -> PostgresSettings:
    return shop_tables.fill(database)


def drop(database: PostgresSettings, name: str) -> None:
    with postgres.transaction(database) as cursor:
        tables.drop(cursor, tables.find(cursor, name))


def test_an_unknown_name_is_refused_listing_what_there_is_but_no_partitions(shop: PostgresSettings) -> None:
    with postgres.transaction(shop) as cursor, pytest.raises(BadInputError, match="similar_itemz") as caught:
        tables.find(cursor, "similar_itemz")
    assert "recs.similar_items," in caught.value.remedy
    assert "similar_items_1" not in caught.value.remedy


# The reference formatted the name into `DROP TABLE {name}`, so each of these ran.
@pytest.mark.parametrize(
    "attack",
    [
        '"My notes; drop"; drop table recs.item_state',
        "events_1; drop schema raw cascade",
        "raw.events_1 --",
        "raw.events_1, recs.versions cascade",
        "events_1\0",
        "",
    ],
)
def test_a_typed_name_is_never_run_as_sql(shop: PostgresSettings, attack: str) -> None:
    before = shop_tables.names(shop)
    with pytest.raises(BadInputError, match="is not a known table"):
        drop(shop, attack)
    assert shop_tables.names(shop) == before


def test_a_name_that_looks_like_sql_drops_the_table_of_that_name_only(shop: PostgresSettings) -> None:
    before = shop_tables.names(shop)
    drop(shop, "My notes; drop")
    assert shop_tables.names(shop) == before - {"public.My notes; drop"}


def test_a_name_in_two_schemas_asks_for_the_schema(shop: PostgresSettings) -> None:
    with postgres.transaction(shop) as cursor:
        cursor.execute("create table public.events (i int)")
        with pytest.raises(BadInputError, match=r"public\.events or raw\.events"):
            tables.find(cursor, "events")
        assert str(tables.find(cursor, "public.events")) == "public.events"


@pytest.mark.parametrize(
    "name",
    ["raw.events", "events_1", "recs.similar_items", "recs.current_similar_items", "shop.products", "alembic_version"],
)
def test_what_the_suite_needs_is_not_dropped(shop: PostgresSettings, name: str) -> None:
    with pytest.raises(BadInputError, match="belongs to the suite"):
        drop(shop, name)


def test_a_version_in_service_is_not_dropped(shop: PostgresSettings) -> None:
    with pytest.raises(BadInputError, match="version 1, which serves dataset 'shop' now"):
        drop(shop, "similar_items_1")


def test_a_dropped_version_is_retired_so_that_no_rollback_finds_it(shop: PostgresSettings) -> None:
    drop(shop, "similar_items_2")
    with postgres.transaction(shop) as cursor:
        cursor.execute("select version, status from recs.versions order by 1")
        assert cursor.fetchall() == [(1, "ready"), (2, "retired")]

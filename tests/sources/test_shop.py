"""A shop's first catalogue out of CSV files: customers, categories, products, purchases."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import BadInputError
from recsys.settings import PostgresSettings
from recsys.sources.shop_loader import PartLoad, load_shop
from recsys.storage import postgres

# Customer and product stand in every row; spreadsheets leave separators at the ends, and one comma lacks its quotes.
ONE_FILE = """user_id,name,age,gender,location,preferences,product_id,category,product_name,description,tags,,
1,Ada,30,f,Oslo,Tea,101,Food,Green Tea,"Leaves, whole","Tea, Organic",,
1,Ada,30,f,Oslo,Tea,102,Kitchen,"Mug ""Fjord"" big",A mug,"Mug, Blue",,
2,Bo,25,m,Bergen,Mugs,102,Kitchen,"Mug ""Fjord"" big",A blue mug,"Mug, Blue",,
2,Bo,25,m,Bergen,Mugs,101,Food,Green Tea,Leaves, whole,"Tea, Organic"
2,Bo,old,m,Bergen,Mugs,101,Food,Green Tea,Leaves,Tea,,
"""


Load = Callable[..., dict[str, PartLoad]]


@pytest.fixture
def load(database: PostgresSettings, tmp_path: Path) -> Load:
    """Writes files and loads the last one."""

    def run(**texts: str) -> dict[str, PartLoad]:
        for name, text in texts.items():
            path = tmp_path / name.replace("_", ".")
            path.write_text(text)
        return {part.name: part for part in load_shop(path, database, "shop")}

    return run


def rows(database: PostgresSettings, statement: str) -> list[tuple[Any, ...]]:
    with postgres.transaction(database) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_one_file_of_purchases_is_enough(load: Load, database: PostgresSettings) -> None:
    parts = load(dataset_csv=ONE_FILE)
    assert {name: (part.records, part.changed) for name, part in parts.items()} == {
        "customers": (2, 2), "categories": (2, 2), "products": (2, 2), "purchases": (4, 4),
    }  # fmt: skip
    assert parts["customers"].rejected == {"too_many_fields": 1, "not_a_whole_number_age": 1}
    assert "Bo,old" in parts["customers"].rejected_file.read_text()  # type: ignore[union-attr]
    assert rows(database, "select customer_id, title, age, preference from shop.customers order by 1") == [
        ("1", "Ada", 30, "Tea"),
        ("2", "Bo", 25, "Mugs"),
    ]
    assert rows(database, "select product_id, title, description, category_id, tags from shop.products order by 1") == [
        ("101", "Green Tea", "Leaves", "Food", ["Tea"]),
        ("102", 'Mug "Fjord" big', "A blue mug", "Kitchen", ["Mug", "Blue"]),
    ]
    assert rows(database, "select user_id, item_id, event_type from raw.collected_events order by 1, 2") == [
        ("1", "101", "purchase"),
        ("1", "102", "purchase"),
        ("2", "101", "purchase"),
        ("2", "102", "purchase"),
    ]
    assert rows(database, "select name from raw.datasets where is_active") == [("shop",)]
    assert rows(database, "select count(*) from recs.item_state where is_from_api and is_available") == [(2,)]
    assert rows(database, "select distinct timestamp_ms from raw.collected_item_properties") == [(0,)]


def test_loading_again_changes_only_what_differs(load: Load, database: PostgresSettings) -> None:
    load(dataset_csv=ONE_FILE)
    assert {part.changed for part in load(dataset_csv=ONE_FILE).values()} == {0}
    again = load(dataset_csv=ONE_FILE.replace("A blue mug", "A red mug"))
    assert {name: part.changed for name, part in again.items()}["products"] == 1


SHOP = """
[customers]
file = "people.csv"
columns = { customer_id = "id", title = "name" }

[categories]
file = "tree.csv"

[products]
file = "articles.csv"
separator = ";"
columns = { product_id = "sku", colour = "colour", litres = "litres" }

[purchases]
file = "orders.csv"
timestamp_unit = "iso"
columns = { timestamp = "at" }
"""
FILES = {
    "people_csv": "id,name,age\nada,Ada,\n",
    "tree_csv": "category_id,parent_id,is_repeatable\nfood,,1\ntea,food,\n",
    "articles_csv": "sku;title;category_id;price;stock;is_hidden;colour;litres\n"
    "t1;Tea;tea;4.5;7;;green;0.5\nm1;Mug;;9;0;1;;\nx;X;;-1;;;;\n",
    "orders_csv": "at,customer_id,product_id,order_id,price\n2024-05-31 10:00:00,ada,t1,o1,4.5\n"
    "2024-05-31 10:00:00,ada,t1,o1,4.5\n",
}


def test_files_of_their_own_with_a_mapping(load: Load, database: PostgresSettings) -> None:
    parts = load(**FILES, shop_toml=SHOP)
    assert parts["products"].rejected == {"negative_price": 1}
    assert rows(database, "select product_id, price, stock, is_hidden, attributes from shop.products order by 1") == [
        ("m1", 9.0, 0, True, {}),
        ("t1", 4.5, 7, False, {"colour": "green", "litres": 0.5}),
    ]
    assert rows(database, "select item_id, is_available, is_repeatable from recs.item_state order by 1") == [
        ("m1", False, False),
        ("t1", True, True),
    ]
    # The same thing bought twice in one order is two purchases.
    assert rows(database, "select timestamp_ms, order_id from raw.collected_events") == [(1717149600000, "o1")] * 2
    assert load(**FILES, shop_toml=SHOP)["purchases"].changed == 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('file = "tree.csv"', 'file = "absent.csv"', "There is no file"),
        ('title = "name"', 'nickname = "name"', r"\[customers\] maps nickname"),
        ('product_id = "sku"', 'product_id = "article"', "lacks the column 'article'"),
        ('unit = "iso"', 'unit = "ms"', "looks like a date"),
        ("[products]", "[goods]", "goods: Extra inputs"),
    ],
)
def test_mistakes_are_named_and_nothing_is_loaded(
    load: Load, database: PostgresSettings, old: str, new: str, message: str
) -> None:
    with pytest.raises(BadInputError, match=message):
        load(**FILES, shop_toml=SHOP.replace(old, new))
    assert rows(database, "select * from raw.datasets") == []


def test_a_circle_of_categories_is_refused_with_what_is_there(load: Load, database: PostgresSettings) -> None:
    load(**FILES, shop_toml=SHOP)
    with pytest.raises(BadInputError, match="food → tea → food"):
        load(more_csv="category_id,parent_id\nfood,tea\n", more_toml='[categories]\nfile = "more.csv"\n')
    assert rows(database, "select parent_id from shop.categories where category_id = 'food'") == [(None,)]

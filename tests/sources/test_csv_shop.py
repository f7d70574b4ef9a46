"""Any shop's files, by a mapping."""

from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources.base import REASON
from recsys.sources.csv import CsvShop

MAPPING = """
[events]
file = "orders.csv"
timestamp_unit = "iso"
columns = { timestamp = "when", user_id = "customer", item_id = "sku", order_id = "order", event_type = "action" }
event_types = { look = "view", buy = "purchase" }

[items]
file = "products.csv"
separator = ";"
columns = { item_id = "sku", category_id = "department", price = "list_price", color = "color" }

[categories]
file = "departments.csv"
columns = { category_id = "id", parent_id = "parent" }
"""
ORDERS = """when,customer,sku,action,order,price
2024-05-31 10:00:00,anna,S1,look,,
2024-05-31T10:01:00+02:00,anna,S1,buy,o-1,9.5
2024-05-31 10:02:00,bert,S2,add_to_cart,,
2024-05-31 10:03:00,bert,S2,steal,,
"""
PRODUCTS = "sku;department;list_price;color;title\nS1;d2;9.50;red;Mug\nS2;;x;;\nS3;d2;;blue;\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The mapping's path, with the files it names beside it."""
    (tmp_path / "orders.csv").write_text(ORDERS)
    (tmp_path / "products.csv").write_text(PRODUCTS)
    (tmp_path / "departments.csv").write_text("id,parent\nd1,\nd2,d1\n")
    path = tmp_path / "shop.toml"
    path.write_text(MAPPING)
    return path


def read(shop: Path) -> tuple[dict[RawTable, pl.DataFrame], list[str]]:
    tables, reasons = {}, []
    for entry in CsvShop(shop).inputs():
        (chunk,) = entry.chunks()
        tables |= chunk.accepted
        reasons += [] if chunk.rejected is None else chunk.rejected.get_column(REASON).to_list()
    return tables, reasons


def test_mapped_columns_and_words(shop: Path) -> None:
    tables, reasons = read(shop)
    assert tables[RawTable.EVENTS].rows() == [
        (1717149600000, "anna", "S1", "view", None, None),
        (1717142460000, "anna", "S1", "purchase", "o-1", 9.5),
        (1717149720000, "bert", "S2", "add_to_cart", None, None),
    ]
    assert reasons == ["not_a_number_list_price", "unknown_action"]


def test_a_row_of_items_becomes_a_row_per_property(shop: Path) -> None:
    tables, _ = read(shop)
    assert sorted(tables[RawTable.ITEM_PROPERTIES].rows()) == [
        (0, "S1", "categoryid", "d2"),
        (0, "S1", "color", "red"),
        (0, "S1", "price", "9.50"),
        (0, "S1", "title", "Mug"),
        (0, "S3", "categoryid", "d2"),
        (0, "S3", "color", "blue"),
    ]
    assert tables[RawTable.CATEGORY_TREE].rows() == [("d1", None), ("d2", "d1")]


def test_our_own_names_need_no_mapping_and_one_word_may_stand_for_all(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("timestamp,user_id,item_id,quantity\n1717149600000,anna,S1,3\n")
    (tmp_path / "shop.toml").write_text('[events]\nfile = "sales.csv"\nevent_type = "purchase"\n')
    tables, _ = read(tmp_path / "shop.toml")
    assert tables[RawTable.EVENTS].to_dicts() == [
        {"timestamp_ms": 1717149600000, "user_id": "anna", "item_id": "S1", "event_type": "purchase", "quantity": 3.0}
    ]


def test_items_with_a_timestamp_have_a_history(tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("timestamp,user_id,item_id\n1717149600000,anna,S1\n")
    (tmp_path / "items.csv").write_text("timestamp,item_id,price\n1717149600000,S1,3\n1717149700000,S1,4\n")
    (tmp_path / "shop.toml").write_text(
        '[events]\nfile = "sales.csv"\nevent_type = "purchase"\n[items]\nfile = "items.csv"\n'
    )
    tables, _ = read(tmp_path / "shop.toml")
    assert tables[RawTable.ITEM_PROPERTIES].rows() == [
        (1717149600000, "S1", "price", "3"),
        (1717149700000, "S1", "price", "4"),
    ]


def test_the_mapping_is_part_of_what_the_content_means(shop: Path) -> None:
    before = [entry.digest() for entry in CsvShop(shop).inputs()]
    shop.write_text(MAPPING.replace('look = "view"', 'look = "add_to_cart"'))
    after = [entry.digest() for entry in CsvShop(shop).inputs()]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, True, False]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('file = "orders.csv"', 'file = "absent.csv"', "There is no file .*absent.csv"),
        ('"customer"', '"shopper"', "orders.csv lacks the column 'shopper'"),
        ('unit = "iso"', 'unit = "days"', "events.timestamp_unit: Input should be"),
        ("user_id =", "visitor =", "events.columns.visitor"),
        ('"view"', '"peek"', "events.event_types.look"),
        ("[events]", "[event]", "events: Field required; event: Extra inputs"),
        ("[events]", "events]", "is not TOML"),
        ('unit = "iso"', 'unit = "ms"', "'when'.*looks like a date"),
        ('separator = ";"', 'separator = ","', "products.csv lacks the column .*sku;department"),
        ('color = "color"', 'color = "list_price"', None),
        ('separator = ";"', 'separator = ";;"', "items.separator"),
    ],
)
def test_mistakes_in_the_mapping_are_named(shop: Path, old: str, new: str, message: str | None) -> None:
    assert old in MAPPING
    shop.write_text(MAPPING.replace(old, new))
    if message is None:
        read(shop)
        return
    with pytest.raises(BadInputError, match=message):
        read(shop)


def test_a_csv_file_in_place_of_the_mapping_is_refused(shop: Path) -> None:
    with pytest.raises(BadInputError, match=r"orders.csv is not TOML"):
        CsvShop(shop.with_name("orders.csv")).inputs()

"""Baskets become purchases; products a tree and properties."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources import complete_journey
from recsys.sources.base import REASON, Input
from recsys.sources.complete_journey import CompleteJourney

NOON, LATER = datetime(2017, 1, 1, 12), datetime(2017, 1, 2, 12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files in the package's form."""
    pl.DataFrame(
        {
            "product_id": [1, 2, 3],
            "manufacturer_id": [9, 9, 8],
            "department": ["GROCERY", "GROCERY", "MISC"],
            "brand": ["National", "Private", "National"],
            "product_category": ["CHEESE", "CHEESE", None],
            "product_type": ["SHREDDED", "SLICED", None],
            "package_size": ["8 OZ", None, None],
        }
    ).write_parquet(tmp_path / "products.parquet")
    pl.DataFrame(
        {
            "household_id": [900, 900, 900, 901],
            "store_id": [1, 1, 1, 1],
            "basket_id": [31, 31, 32, 33],
            "product_id": [1, 2, 1, 1],
            "quantity": [2, 0, 1, 1],
            "sales_value": [3.0, 0.0, 2.0, 2.5],
            "retail_disc": [1.0, 0.0, 0.0, 0.0],
            "coupon_disc": [0.0, 0.0, 0.0, 0.0],
            "coupon_match_disc": [0.0, 0.0, 0.0, 0.0],
            "week": [1, 1, 1, 1],
            "transaction_timestamp": pl.Series([NOON, NOON, LATER, LATER], dtype=pl.Datetime("ns")),
        }
    ).write_parquet(tmp_path / "transactions.parquet")
    return tmp_path


def read(entry: Input) -> tuple[dict[RawTable, pl.DataFrame], list[str]]:
    chunks = list(entry.chunks())
    tables = {table: pl.concat(chunk.accepted[table] for chunk in chunks) for table in entry.tables}
    return tables, [r for chunk in chunks if chunk.rejected is not None for r in chunk.rejected.get_column(REASON)]


def test_basket_lines_are_purchases_and_reveal_shelf_prices(folder: Path) -> None:
    _, baskets = CompleteJourney(folder).inputs()
    tables, reasons = read(baskets)
    assert reasons == ["not_positive_quantity"]
    assert tables[RawTable.EVENTS].row(0) == (1483272000000, "900", "1", "purchase", "31", 1.5, 2.0)
    assert tables[RawTable.EVENTS].height == 3
    assert tables[RawTable.ITEM_PROPERTIES].rows() == [
        (1483272000000, "1", "price", "2.0"),
        (1483358400000, "1", "price", "2.5"),
    ]


@pytest.mark.parametrize("batch", [1, 1_000])
def test_departments_categories_and_types_make_the_tree(
    folder: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(complete_journey, "BATCH_ROWS", batch)
    products, _ = CompleteJourney(folder).inputs()
    tables, _ = read(products)
    assert sorted(tables[RawTable.CATEGORY_TREE].rows(), key=str) == [
        ("GROCERY / CHEESE / SHREDDED", "GROCERY / CHEESE"),
        ("GROCERY / CHEESE / SLICED", "GROCERY / CHEESE"),
        ("GROCERY / CHEESE", "GROCERY"),
        ("GROCERY", None),
        ("MISC", None),
    ]
    properties = tables[RawTable.ITEM_PROPERTIES]
    assert properties.filter(property="categoryid").get_column("value").to_list() == [
        "GROCERY / CHEESE / SHREDDED",
        "GROCERY / CHEESE / SLICED",
        "MISC",
    ]
    assert properties.filter(property="title").get_column("value").to_list() == ["SHREDDED 8 OZ", "SLICED", "MISC"]


def test_the_package_carries_the_real_data() -> None:
    products, baskets = CompleteJourney().inputs()
    tables, reasons = read(baskets)
    assert tables[RawTable.EVENTS].height + len(reasons) == 1_469_307
    assert tables[RawTable.EVENTS].get_column("user_id").n_unique() == 2_469
    tables, _ = read(products)
    assert tables[RawTable.ITEM_PROPERTIES].get_column("item_id").n_unique() == 92_331


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"There is no file .*products.parquet"):
        CompleteJourney(tmp_path).inputs()


def test_a_file_that_is_no_parquet_is_named(folder: Path) -> None:
    (folder / "products.parquet").write_text("product_id\n1\n")
    products, _ = CompleteJourney(folder).inputs()
    with pytest.raises(BadInputError, match=r"products.parquet is no readable Parquet file"):
        list(products.chunks())

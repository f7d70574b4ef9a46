"""RetailRocket's files as they are published, and as they should not be."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources.base import REASON, Input
from recsys.sources.retailrocket import RetailRocket
from recsys.sources.rules import TimestampUnit

EVENTS = """timestamp,visitorid,event,itemid,transactionid
1430623510000,2001176,view,1006768,
1430623535000,2001176,addtocart,1006768,
1430623644000,2001176,transaction,1006768,4000
"""
PROPERTIES = """timestamp,itemid,property,value
1431226800000,147,categoryid,646
1431226800000,147,available,1
1431226800000,147,790,n15360.000
1431226800000,147,888,1116713 960601 n277.200
"""
TREE = "categoryid,parentid\n646,\n213,646\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with all four files."""
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "item_properties_part1.csv").write_text(PROPERTIES)
    (tmp_path / "item_properties_part2.csv").write_text(PROPERTIES.replace("147", "148"))
    (tmp_path / "category_tree.csv").write_text(TREE)
    return tmp_path


def rows_of(inputs: list[Input]) -> tuple[dict[RawTable, pl.DataFrame], list[str]]:
    frames: dict[RawTable, list[pl.DataFrame]] = {}
    reasons: list[str] = []
    for entry in inputs:
        for chunk in entry.chunks():
            for table, frame in chunk.accepted.items():
                frames.setdefault(table, []).append(frame)
            if chunk.rejected is not None:
                reasons += chunk.rejected.get_column(REASON).to_list()
    return {table: pl.concat(parts) for table, parts in frames.items()}, reasons


def test_events_speak_our_words(shop: Path) -> None:
    tables, reasons = rows_of(RetailRocket(shop).inputs())
    assert tables[RawTable.EVENTS].rows() == [
        (1430623510000, "2001176", "1006768", "view", None),
        (1430623535000, "2001176", "1006768", "add_to_cart", None),
        (1430623644000, "2001176", "1006768", "purchase", "4000"),
    ]
    assert reasons == []


def test_property_790_is_the_price_and_hashed_ones_stay(shop: Path) -> None:
    tables, _ = rows_of(RetailRocket(shop).inputs())
    assert tables[RawTable.ITEM_PROPERTIES].height == 8
    assert tables[RawTable.ITEM_PROPERTIES].head(4).select("property", "value").rows() == [
        ("categoryid", "646"),
        ("available", "1"),
        ("price", "15360.000"),
        ("888", "1116713 960601 n277.200"),
    ]
    assert tables[RawTable.CATEGORY_TREE].rows() == [("646", None), ("213", "646")]


def test_each_file_may_be_compressed_and_all_but_events_absent(shop: Path) -> None:
    (shop / "events.csv.gz").write_bytes(gzip.compress((shop / "events.csv").read_bytes()))
    (shop / "events.csv").unlink()
    (shop / "item_properties_part2.csv").unlink()
    with zipfile.ZipFile(shop / "category_tree.csv.zip", "w") as archive:
        archive.write(shop / "category_tree.csv", "category_tree.csv")
    (shop / "category_tree.csv").unlink()
    tables, _ = rows_of(RetailRocket(shop).inputs())
    assert {str(table): frame.height for table, frame in tables.items()} == {
        "events": 3,
        "item_properties": 4,
        "category_tree": 2,
    }
    (shop / "events.csv.gz").unlink()
    with pytest.raises(BadInputError, match=r"holds no events.csv, events.csv.gz or events.csv.zip"):
        RetailRocket(shop).inputs()


def test_the_archive_as_downloaded_will_do(shop: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("events.csv", "item_properties_part1.csv", "category_tree.csv"):
            archive.write(shop / name, name)
    tables, _ = rows_of(RetailRocket(tmp_path / "archive.zip").inputs())
    assert tables[RawTable.EVENTS].height == 3


def test_bad_rows_are_rejected_one_by_one(shop: Path) -> None:
    bad = [
        "1430623510000,-5,view,7,",
        f"1430623510000,{'9' * 25},view,7,",
        "1430623510000,5,wishlist,7,",
        "1430623510000,5,view,,",
        "5,5,view,7,",
        "1430623510000,5,view,7,,extra",
        "1430623510000,5,transaction,7,T-1",
    ]
    (shop / "events.csv").write_text(EVENTS + EVENTS.partition("\n")[2] * 3 + "\n".join(bad) + "\n")
    tables, reasons = rows_of(RetailRocket(shop).inputs())
    assert tables[RawTable.EVENTS].height == 12
    assert reasons == [
        "negative_visitorid",
        "huge_visitorid",
        "unknown_event",
        "missing_itemid",
        "impossible_timestamp",
        "too_many_fields",
        "not_a_number_transactionid",
    ]


def test_bad_property_values_are_rejected(shop: Path) -> None:
    bad = ["1431226800000,7,790,nabc", "1431226800000,7,790,n-1", "1431226800000,7,available,2", "1431226800000,7,a,"]
    (shop / "item_properties_part1.csv").write_text(PROPERTIES + "\n".join(bad) + "\n")
    _, reasons = rows_of(RetailRocket(shop).inputs())
    assert reasons == [
        "price_is_not_a_number",
        "price_is_not_a_number",
        "available_is_not_0_or_1",
        "missing_value",
    ]


def test_seconds_are_refused_until_said_to_be_seconds(shop: Path) -> None:
    for path in shop.glob("*.csv"):
        path.write_text(path.read_text().replace("000,", ","))
    with pytest.raises(BadInputError, match=r"'timestamp'.*'143\d+', which looks like seconds since 1970"):
        rows_of(RetailRocket(shop).inputs())
    tables, _ = rows_of(RetailRocket(shop, TimestampUnit.SECONDS).inputs())
    assert tables[RawTable.EVENTS].get_column("timestamp_ms").to_list() == [
        1430623510000,
        1430623535000,
        1430623644000,
    ]


def test_swapped_columns_are_refused(shop: Path) -> None:
    swapped = EVENTS.replace("timestamp,visitorid", "visitorid,timestamp")
    (shop / "events.csv").write_text(swapped)
    with pytest.raises(BadInputError, match=r"'timestamp' are impossible.*'2001176', which looks like an id"):
        rows_of(RetailRocket(shop).inputs())


def test_a_missing_column_is_named_with_those_found(shop: Path) -> None:
    (shop / "events.csv").write_text(EVENTS.replace("visitorid", "visitor"))
    with pytest.raises(BadInputError, match=r"events.csv lacks the column 'visitorid'; it has 'timestamp', 'visitor'"):
        rows_of(RetailRocket(shop).inputs())


def test_columns_may_stand_in_any_order_with_others_between(shop: Path) -> None:
    frame = pl.read_csv(shop / "events.csv", infer_schema=False)
    frame.select("itemid", pl.lit("x").alias("note"), "event", "transactionid", "timestamp", "visitorid").write_csv(
        shop / "events.csv"
    )
    tables, _ = rows_of(RetailRocket(shop).inputs())
    assert tables[RawTable.EVENTS].row(0) == (1430623510000, "2001176", "1006768", "view", None)


def test_a_path_that_is_no_folder_is_refused(shop: Path) -> None:
    with pytest.raises(BadInputError, match="neither a folder nor a zip archive"):
        RetailRocket(shop / "events.csv").inputs()


def test_the_real_files_are_read_whole(shared_data: Callable[[str], Path]) -> None:
    tables, reasons = rows_of(RetailRocket(shared_data("retailrocket")).inputs())
    assert {str(table): frame.height for table, frame in tables.items()} == {
        "category_tree": 1_669,
        "item_properties": 2_147,
        "events": 97_381,
    }
    assert reasons == []

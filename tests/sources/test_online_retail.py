"""Invoice lines become purchases, and the properties they reveal."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError
from recsys.sources.base import REASON
from recsys.sources.changes import ChangeTracker
from recsys.sources.online_retail import OnlineRetail

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n"
GOOD = "536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom\n"


def read(path: Path) -> tuple[pl.DataFrame, pl.DataFrame, list[str]]:
    (entry,) = OnlineRetail(path).inputs()
    chunks = list(entry.chunks())
    tables = [pl.concat(chunk.accepted[table] for chunk in chunks) for table in entry.tables]
    reasons = [r for chunk in chunks if chunk.rejected is not None for r in chunk.rejected.get_column(REASON)]
    return tables[0], tables[1], reasons


def test_a_line_is_a_purchase(tmp_path: Path) -> None:
    path = tmp_path / "invoices.csv"
    path.write_text(HEADER + GOOD + GOOD.replace("2010-12-01 08:26:00", "12/1/2010 8:27"))
    events, _, _ = read(path)
    assert events.select("timestamp_ms", "user_id", "item_id", "event_type", "order_id", "quantity").rows() == [
        (1291191960000, "17850", "85123A", "purchase", "536365", 6.0),
        (1291192020000, "17850", "85123A", "purchase", "536365", 6.0),
    ]
    assert events.get_column("price").to_list() == pytest.approx([2.55, 2.55])


def test_what_is_no_purchase_of_a_known_customer_is_rejected_with_its_reason(tmp_path: Path) -> None:
    cases = {
        "cancellation": GOOD.replace("536365", "C536365").replace(",6,", ",-6,"),
        "adjustment": GOOD.replace("536365", "A536365"),
        "not_a_product": GOOD.replace("85123A", "POST"),
        "missing_CustomerID": GOOD.replace("17850", ""),
        "not_positive_Quantity": GOOD.replace(",6,", ",0,"),
        "not_positive_UnitPrice": GOOD.replace("2.55", "0"),
        "not_a_number_UnitPrice": GOOD.replace("2.55", "free"),
        "not_a_time_InvoiceDate": GOOD.replace("2010-12-01 08:26:00", "yesterday"),
    }
    path = tmp_path / "invoices.csv"
    path.write_text(HEADER + GOOD * 10 + "".join(cases.values()))
    events, _, reasons = read(path)
    assert events.height == 10
    assert reasons == list(cases)


def test_price_and_title_are_told_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "invoices.csv"
    lines = [GOOD, GOOD, GOOD.replace("2.55", "2.95").replace("-01 ", "-02 "), GOOD.replace("HEART", "STAR")]
    path.write_text(HEADER + "".join(lines))
    _, properties, _ = read(path)
    assert properties.filter(property="price").get_column("value").to_list() == ["2.55", "2.95", "2.55"]
    assert properties.filter(property="title").get_column("value").to_list() == [
        "WHITE HANGING HEART",
        "WHITE HANGING STAR",
    ]


def test_changes_are_those_over_all_chunks() -> None:
    tracker = ChangeTracker()

    def told(*rows: tuple[str, str | None]) -> list[str]:
        states = pl.DataFrame(
            {
                "timestamp_ms": range(len(rows)),
                "item_id": [item for item, _ in rows],
                "property": "price",
                "value": pl.Series([value for _, value in rows], dtype=pl.String),
            }
        )
        return tracker.changes(states).get_column("value").to_list()

    assert told(("a", "1"), ("b", "1"), ("a", "1"), ("a", None)) == ["1", "1"]
    assert told(("a", "1"), ("b", "2"), ("b", "2"), ("b", "1")) == ["2", "1"]
    assert told(("b", "1"), ("c", "1"), ("a", "3")) == ["1", "3"]


def test_the_month_first_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "invoices.csv"
    path.write_bytes((HEADER + GOOD).encode() + GOOD.replace("HEART", "CAF\u00c9").encode("latin-1"))
    with pytest.raises(BadInputError, match="line 3: byte 0xc9 is not UTF-8"):
        read(path)


def test_the_real_file_is_read_whole(shared_data: Callable[[str], Path]) -> None:
    events, properties, reasons = read(shared_data("online_retail"))
    assert events.height + len(reasons) == 541_909
    assert events.height == 396_337
    assert events.get_column("user_id").n_unique() == 4_334
    assert properties.select("timestamp_ms", "item_id", "property").is_duplicated().sum() < 0.01 * properties.height

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from recsys.dataset.items import ItemCollector
from recsys.dataset.raw import RAW_PROPERTIES

NOW_MS = 1_000


def collect(
    tmp_path: Path, *chunks: list[tuple[str, int, str, str]], items: tuple[str, ...] = (), min_share: float = 0.2
) -> tuple[ItemCollector, pl.DataFrame, pl.DataFrame]:
    collector = ItemCollector(tmp_path, now_ms=NOW_MS)
    for chunk in chunks:
        collector.add(pl.DataFrame(chunk, schema=RAW_PROPERTIES, orient="row"))
    catalogue = collector.finish(pl.Series(items, dtype=pl.String), min_share=min_share, assume_available=True)
    return collector, catalogue, pl.read_parquet(tmp_path / "item_history.parquet")


def test_history_holds_the_full_known_state_after_each_change(tmp_path: Path) -> None:
    rows = [
        ("a", 1, "categoryid", "7"),
        ("a", 1, "price", "2.5"),
        ("a", 2, "price", "2.5"),  # says nothing new
        ("a", 3, "available", "0"),
        ("a", 4, "color", "red"),  # no state
        ("a", 5, "available", "1"),
        ("b", 6, "available", "1"),
    ]
    _, _, history = collect(tmp_path, rows)
    moment = [int(time.timestamp() * 1000) for time in history["timestamp"]]
    states = history.select("item_id", "category_id", "is_available", "price").rows()
    assert list(zip(moment, states, strict=True)) == [
        (1, ("a", "7", None, 2.5)),
        (3, ("a", "7", False, 2.5)),
        (5, ("a", "7", True, 2.5)),
        (6, ("b", None, True, None)),
    ]


def test_nothing_said_after_now_is_used(tmp_path: Path) -> None:
    """Of the reference: properties from the future."""
    rows = [
        ("a", NOW_MS, "price", "1"),
        ("a", NOW_MS, "color", "red"),
        ("a", NOW_MS + 1, "price", "9"),
        ("a", NOW_MS + 1, "color", "blue"),
        ("b", NOW_MS + 1, "color", "blue"),
    ]
    collector, catalogue, history = collect(tmp_path, rows)
    assert catalogue.select("item_id", "price", "property_color").rows() == [("a", 1.0, "red")]
    assert history["timestamp"].max() == datetime.fromtimestamp(NOW_MS / 1000, UTC)
    assert collector.rejected["after_now"] == 3


def test_common_properties_become_columns_with_their_latest_value(tmp_path: Path) -> None:
    common = [(f"i{n}", time, "color", f"{time}") for n in range(2) for time in (1, 2)]
    others = [(f"j{n}", 1, "title", f"T{n}") for n in range(7)] + [("z", 1, "rare", "x")]
    collector, catalogue, _ = collect(tmp_path, common, others)
    assert catalogue.columns[6:] == ["property_color"]  # 2 of 10 items; `rare` has 1
    assert collector.property_shares == {"color": 0.2, "rare": 0.1, "title": 0.7}
    assert catalogue["item_id"].is_sorted()
    assert catalogue.filter(item_id="i0")["property_color"].item() == "2"
    assert catalogue.filter(item_id="j3")["title"].item() == "T3"


def test_items_that_only_events_name_belong_to_the_catalogue(tmp_path: Path) -> None:
    collector, catalogue, _ = collect(tmp_path, [("a", 1, "available", "0")], items=("a", "b"))
    assert catalogue.select("item_id", "is_available").rows() == [("a", False), ("b", True)]
    assert collector.undescribed.to_list() == ["b"]


def test_a_shop_without_any_property(tmp_path: Path) -> None:
    _, catalogue, history = collect(tmp_path, items=("b", "a"))
    assert catalogue["item_id"].to_list() == ["a", "b"]
    assert history.is_empty()


def test_unusable_values_are_counted_and_leave_what_was_known(tmp_path: Path) -> None:
    rows = [
        ("a", 1, "price", "5"),
        ("a", 2, "price", "n15360.000"),
        ("a", 3, "price", "-1"),
        ("a", 4, "available", "?"),
    ]
    collector, catalogue, _ = collect(tmp_path, rows)
    assert collector.rejected == {"unusable_value": 3}
    assert catalogue["price"].to_list() == [5.0]


def test_an_empty_value_takes_back_what_was_said(tmp_path: Path) -> None:
    rows = [
        ("a", 1, "categoryid", "7"),
        ("a", 1, "price", "5"),
        ("a", 1, "color", "red"),
        ("a", 2, "categoryid", ""),
        ("a", 3, "price", ""),
        ("a", 3, "color", ""),
        ("b", 1, "color", "blue"),
    ]
    collector, catalogue, history = collect(tmp_path, rows)
    assert history.select("category_id", "price").rows() == [("7", 5.0), (None, 5.0), (None, None)]
    assert catalogue.select("category_id", "price", "property_color").rows() == [
        (None, None, None),
        (None, None, "blue"),
    ]
    assert not collector.rejected

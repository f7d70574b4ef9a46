from pathlib import Path

import polars as pl
import pytest

from recsys.dataset.events import EventCleaner
from recsys.dataset.prepared import EVENTS
from recsys.dataset.raw import RAW_EVENTS

MINUTE = 60_000


def clean(tmp_path: Path, rows: list[dict[str, object]], **options: object) -> tuple[EventCleaner, pl.DataFrame]:
    settings = {
        "weights": {"view": 1.0, "add_to_cart": 3.0, "purchase": 5.0},
        "now_ms": 10**12,
        "session_gap_minutes": 30,
    }
    cleaner = EventCleaner(tmp_path / "events.parquet", **settings | options)  # type: ignore[arg-type]
    frame = pl.DataFrame([{"user_id": "u", "item_id": "i", "event_type": "view"} | row for row in rows])
    missing = [pl.lit(None, kind).alias(name) for name, kind in RAW_EVENTS.items() if name not in frame.columns]
    cleaner.add(frame.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in RAW_EVENTS.items()))
    cleaner.finish()
    return cleaner, pl.read_parquet(tmp_path / "events.parquet")


def test_broken_and_future_and_repeated_rows_are_counted_and_left_out(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"timestamp_ms": 1},
        {"timestamp_ms": 1},
        {"timestamp_ms": 1, "price": 2.0},
        {"timestamp_ms": 2, "user_id": ""},
        {"timestamp_ms": 3, "item_id": None},
        {"timestamp_ms": 4, "event_type": "wink"},
        {"timestamp_ms": 10**12 + 1},
    ]
    cleaner, events = clean(tmp_path, rows)
    assert cleaner.rejected == {
        "duplicate": 1,
        "missing_user_id": 1,
        "missing_item_id": 1,
        "unknown_event_type": 1,
        "after_now": 1,
    }
    assert events.schema == EVENTS
    assert events.height == 2
    assert cleaner.items.to_list() == ["i"]


def test_ratings_neither_wrap_nor_lose_their_fraction(tmp_path: Path) -> None:
    """Of the reference: 8-bit ratings wrapped in sums above 127, and int8 turned a weight of 0.1 into 0."""
    rows: list[dict[str, object]] = [{"timestamp_ms": n, "event_type": "purchase"} for n in range(60)]
    _, events = clean(tmp_path, [*rows, {"timestamp_ms": 99}], weights={"view": 0.1, "purchase": 5.0})
    assert events["rating"].sum() == pytest.approx(300.1)
    assert events["rating"].min() == pl.Series([0.1], dtype=pl.Float32)[0]


def test_a_pause_or_another_user_starts_a_session(tmp_path: Path) -> None:
    times = [("a", 0), ("a", 30 * MINUTE), ("a", 61 * MINUTE), ("b", 61 * MINUTE), ("b", 62 * MINUTE)]
    _, events = clean(tmp_path, [{"user_id": user, "timestamp_ms": time} for user, time in times])
    first, second, third = "a:0", f"a:{61 * MINUTE}", f"b:{61 * MINUTE}"
    assert events["session_id"].to_list() == [first, first, second, third, third]


def test_the_shops_own_session_id_stays(tmp_path: Path) -> None:
    _, events = clean(tmp_path, [{"timestamp_ms": 5, "session_id": "s"}])
    assert events["session_id"].to_list() == ["s"]

from datetime import UTC, datetime, timedelta

import polars as pl

from recsys.evaluation.protocols.time_window import split_by_time, window_start

CUT = datetime(2026, 3, 1, tzinfo=UTC)


def events(*rows: tuple[str, str, float, str]) -> pl.DataFrame:
    """Rows of user, item, days from the cut, event type."""
    return pl.DataFrame(
        {
            "user_id": [row[0] for row in rows],
            "item_id": [row[1] for row in rows],
            "timestamp": pl.Series([CUT + timedelta(days=row[2]) for row in rows], dtype=pl.Datetime("ms", "UTC")),
            "event_type": [row[3] for row in rows],
            "rating": pl.Series([{"view": 1.0, "purchase": 5.0}[row[3]] for row in rows], dtype=pl.Float32),
        }
    )


def split(frame: pl.DataFrame, min_items: int = 1, max_users: int = 100):  # type: ignore[no-untyped-def]
    end = CUT + timedelta(days=7)
    return split_by_time(frame, CUT, end, min_items=min_items, max_users=max_users, seed=1)


def test_truth_is_what_known_users_did_in_the_window() -> None:
    found = split(
        events(
            ("ann", "a", -1, "view"),
            ("ann", "b", 0, "view"),
            ("ann", "c", 1, "view"),
            ("ann", "c", 2, "purchase"),
            ("ann", "d", 7, "view"),
            ("ann", "e", 8, "view"),
            ("new", "a", 1, "view"),
        )
    )
    assert found.truth.rows() == [("ann", "c", 6.0), ("ann", "d", 1.0)]
    assert found.history["item_id"].to_list() == ["a", "b"]


def test_what_was_bought_before_is_not_asked_for_but_what_was_seen_is() -> None:
    found = split(
        events(("ann", "a", -1, "purchase"), ("ann", "b", -1, "view"), ("ann", "a", 1, "view"), ("ann", "b", 1, "view"))
    )
    assert found.truth["item_id"].to_list() == ["b"]


def test_users_are_chosen_by_their_past_not_by_the_window() -> None:
    """The reference judged users filtered on the whole period: 61 of them were left."""
    found = split(
        events(
            ("few", "a", -1, "view"),
            *(("few", item, 1, "view") for item in "bcd"),
            *(("many", item, -1, "view") for item in "abc"),
            ("many", "d", 1, "view"),
        ),
        min_items=3,
    )
    assert found.truth["user_id"].unique().to_list() == ["many"]


def test_a_sample_of_users_keeps_whole_users_and_repeats() -> None:
    frame = events(
        *((f"u{n}", "a", -1, "view") for n in range(50)),
        *((f"u{n}", item, 1, "view") for n in range(50) for item in "bc"),
    )
    found = split(frame, max_users=10)
    assert found.truth.group_by("user_id").len()["len"].to_list() == [2] * 10
    assert found.truth.equals(split(frame, max_users=10).truth)


def test_a_window_leaves_most_of_young_data_to_learn_from() -> None:
    frame = events(("ann", "a", -10, "view"), ("ann", "a", 0, "view"))
    assert window_start(frame, CUT, 1) == CUT - timedelta(days=1)
    assert window_start(frame, CUT, 7) == CUT - timedelta(days=2)

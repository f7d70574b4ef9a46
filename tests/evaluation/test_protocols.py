from datetime import timedelta

import polars as pl
import pytest
from lists import START, interactions, pairs

from recsys.errors import BadInputError
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols import next_in_session
from recsys.evaluation.protocols.base import Side, Split
from recsys.evaluation.protocols.fixed_split import FixedSplit
from recsys.evaluation.protocols.known import choose
from recsys.evaluation.protocols.leave_last_out import LeaveLastOut
from recsys.evaluation.protocols.next_in_session import NextInSession
from recsys.evaluation.protocols.time_window import TimeWindow

ITEMS = pl.DataFrame({"item_id": [f"i{n}" for n in range(20)]})


def shop(rows: list[tuple[str, str, float]], *protocols: str, held_out: list[tuple[str, str]] | None = None):  # type: ignore[no-untyped-def]
    """Rows of user, item, day; a user's events of one day are one session; all are views."""
    frame = interactions(rows).with_columns(
        event_type=pl.lit("view"), session_id=pl.format("{}:{}", "user_id", pl.col("timestamp").dt.date())
    )
    return EvaluationData("shop", protocols or ("time",), frame, ITEMS, held_out=pairs(held_out or []))


def nothing_leaks(split: Split) -> None:
    """No judged pair is in what the model learns from, in the past it is told, or excluded."""
    key = ["user_id", "item_id"]
    for seen in (split.history, split.past, split.exclude):
        assert split.truth.join(seen, on=key, how="semi").is_empty()


def test_the_fixed_split_is_the_benchmarks_own() -> None:
    data = shop([("a", "i1", 0), ("a", "i2", 0), ("b", "i1", 0)], "fixed", held_out=[("a", "i3"), ("new", "i1")])
    split = FixedSplit().split(data)
    assert split.truth.rows() == [("a", "i3")]
    assert split.exclude.rows() == [("a", "i1"), ("a", "i2"), ("b", "i1")]
    assert split.past["user_id"].unique().to_list() == ["a"]
    assert split.history.height == 3
    nothing_leaks(split)


def test_the_validation_of_a_fixed_split_is_the_end_of_each_users_line() -> None:
    rows = [("many", f"i{n}", 0.0) for n in range(20)] + [("two", "i1", 0), ("two", "i2", 0), ("one", "i1", 0)]
    data = shop(rows, "fixed", held_out=[("many", "test only"), ("one", "test only")])
    split = FixedSplit().split(data, Side.VALIDATION)
    assert split.truth.rows() == [*(("many", f"i{n}") for n in range(16, 20)), ("two", "i2")]
    assert split.history.height == len(rows) - 5
    assert "test only" not in split.truth["item_id"]
    nothing_leaks(split)


def test_the_last_item_is_asked_for_and_the_one_before_it_for_validation() -> None:
    data = shop([("a", "i3", 2), ("a", "i1", 0), ("a", "i2", 1), ("b", "i1", 0), ("b", "i2", 1)], "leave_last_out")
    test = LeaveLastOut().split(data)
    assert test.truth.rows() == [("a", "i3"), ("b", "i2")]
    assert sorted(test.history.select("user_id", "item_id").rows()) == [("a", "i1"), ("a", "i2"), ("b", "i1")]
    assert test.cut == START + timedelta(days=1)
    nothing_leaks(test)
    validation = LeaveLastOut().split(data, Side.VALIDATION)
    assert validation.truth.rows() == [("a", "i2")]  # b would be left without a past
    assert validation.history.select("user_id", "item_id").rows() == [("a", "i1")]
    nothing_leaks(validation)


def test_time_windows_follow_one_another_and_cold_users_are_apart() -> None:
    rows = [(user, f"i{day}", float(day)) for user in "ab" for day in range(20)] + [
        ("new", "i3", 19),
        ("late", "i1", 18),
    ]
    data = shop(rows, "time")
    test = TimeWindow(window_days=2).split(data)
    assert (test.cut, test.truth["item_id"].unique().sort().to_list()) == (START + timedelta(days=17), ["i18", "i19"])
    assert test.cold.rows() == [("late", "i1"), ("new", "i3")]
    nothing_leaks(test)
    validation = TimeWindow(window_days=2).split(data, Side.VALIDATION)
    assert validation.truth["item_id"].unique().sort().to_list() == ["i16", "i17"]
    assert validation.history["timestamp"].max() == START + timedelta(days=15)
    nothing_leaks(validation)


def test_every_step_of_a_session_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(next_in_session, "LONGEST_PAST", 2)
    old = [("a", f"i{n}", 0.0) for n in range(3)]
    # i1 is looked at twice and comes back later; the last session has one step, so there is nothing to ask.
    new = [("b", item, 99 + at / 100) for at, item in enumerate(["i1", "i1", "i2", "i3", "i1"])] + [("c", "i1", 99.5)]
    split = NextInSession(window_days=14).split(shop([*old, *new], "session"))
    assert split.history["user_id"].unique().to_list() == ["a:2026-01-01"]
    told = {
        case: (rows["item_id"].to_list(), split.truth.filter(user_id=case)["item_id"].to_list())
        for (case,), rows in split.past.sort("timestamp").group_by("user_id", maintain_order=True)
    }
    assert dict(sorted(told.items())) == {
        "b:2026-04-10 step 1": (["i1"], ["i2"]),
        "b:2026-04-10 step 2": (["i1", "i2"], ["i3"]),
        "b:2026-04-10 step 3": (["i2", "i3"], ["i1"]),
    }
    assert split.exclude["item_id"].to_list() == ["i1", "i2", "i3"]  # where the session stands
    assert split.groups is not None
    assert set(split.groups["group"]) == {"b:2026-04-10"}


def test_a_session_that_runs_over_the_cut_is_learned_from_but_not_judged() -> None:
    rows = [
        ("a", "i0", 0),
        ("a", "i1", 80.0),
        ("a", "i2", 80.001),
        ("b", "i3", 90),
        ("b", "i4", 90.1),
        ("z", "i1", 100),
    ]
    data = shop(rows, "session")
    joined = data.interactions.with_columns(session_id=pl.col("user_id"))
    split = NextInSession(window_days=20).split(EvaluationData("shop", ("session",), joined, ITEMS))
    assert split.cut == START + timedelta(days=80)
    assert split.history["item_id"].to_list() == ["i0", "i1"]
    assert split.truth.rows() == [("b step 1", "i4")]


def test_a_split_that_leaves_nobody_says_so() -> None:
    with pytest.raises(BadInputError, match="test side of protocol 'fixed' on 'shop' has no user to be judged"):
        FixedSplit().split(shop([("a", "i1", 0)], "fixed", held_out=[("b", "i1")]))
    with pytest.raises(BadInputError, match="no user to be judged"):
        TimeWindow().split(shop([("a", "i1", 0), ("b", "i1", 20)]))
    with pytest.raises(BadInputError, match="no interaction to learn from"):
        LeaveLastOut().split(shop([("a", "i1", 0), ("b", "i1", 1)]))
    with pytest.raises(BadInputError, match="no user to be judged"):
        NextInSession().split(shop([("a", "i1", 0), ("b", "i1", 20)]))


def test_a_protocol_is_chosen_by_name_among_those_that_fit() -> None:
    data = shop([("a", "i1", 0)], "time", "session")
    assert isinstance(choose(data), TimeWindow)
    chosen = choose(data, "session", 3.0)
    assert isinstance(chosen, NextInSession)
    assert chosen.window_days == 3.0
    with pytest.raises(BadInputError, match=r"protocol 'fixed'.* time, session"):
        choose(data, "fixed")
    with pytest.raises(BadInputError, match="has no window"):
        choose(shop([], "fixed"), None, 3.0)

import polars as pl
import pytest
from contract import NOW, interactions
from polars.testing import assert_frame_equal

from recsys.models import session_knn
from recsys.models.session_knn import SessionKnn


def best(model: SessionKnn, rows: list[tuple[str, str, float]]) -> list[str]:
    past = interactions(rows)
    return model.recommend(past, 5, exclude=past)["item_id"].to_list()


def test_the_nearest_sessions_decide() -> None:
    rows = [("near", item, 1) for item in ("a", "b", "c")] + [("far", item, 1) for item in ("a", "p", "q", "r", "z")]
    assert best(SessionKnn().fit(interactions(rows), now=NOW), [("me", "a", 2), ("me", "b", 1)])[0] == "c"
    only = SessionKnn(neighbours=1).fit(interactions(rows), now=NOW)
    assert best(only, [("me", "a", 2), ("me", "b", 1)]) == ["c"]


def test_newer_items_of_the_session_at_hand_count_more() -> None:
    model = SessionKnn().fit(interactions([("u", "a", 1), ("u", "x", 1), ("v", "b", 1), ("v", "y", 1)]), now=NOW)
    assert best(model, [("me", "a", 2), ("me", "b", 1)])[:2] == ["y", "x"]


def test_old_sessions_count_less() -> None:
    rows = [("old", "a", 300), ("old", "x", 300), ("new", "a", 1), ("new", "y", 1)]
    assert best(SessionKnn().fit(interactions(rows), now=NOW), [("me", "a", 1)]) == ["y", "x"]


def test_only_the_newest_sessions_of_an_item_are_looked_at() -> None:
    rows = [(f"u{day}", item, day) for day in range(1, 30) for item in ("a", f"with{day:02}")]
    model = SessionKnn(sample=3).fit(interactions(rows), now=NOW)
    assert best(model, [("me", "a", 1)]) == ["with01", "with02", "with03"]


def test_sessions_of_one_user_are_apart_where_they_are_known() -> None:
    frame = interactions([("u", "a", 2), ("u", "b", 2), ("u", "c", 1), ("u", "d", 1)])
    apart = frame.with_columns(session_id=pl.Series(["s1", "s1", "s2", "s2"]))
    assert best(SessionKnn().fit(frame, now=NOW), [("me", "a", 1)]) == ["b", "c", "d"]
    assert best(SessionKnn().fit(apart, now=NOW), [("me", "a", 1)]) == ["b"]


def test_items_near_the_shared_one_count_more_than_those_far_from_it() -> None:
    rows = [("u", item, 9 - place) for place, item in enumerate(("far", "before", "a", "after", "end"))]
    past = interactions([("me", "a", 1)])
    model = SessionKnn(distance_decay=0.5).fit(interactions(rows), now=NOW)
    scores = dict(model.recommend(past, 5, exclude=past).select("item_id", "score").iter_rows())
    assert scores["before"] == scores["after"] == 2 * scores["far"] == 2 * scores["end"]
    alike = SessionKnn(distance_decay=1.0).fit(interactions(rows), now=NOW).recommend(past, 5, exclude=past)
    assert alike["score"].n_unique() == 1


def test_of_several_shared_items_the_newest_of_the_session_at_hand_is_the_one_counted_from() -> None:
    rows = [("u", item, 9 - place) for place, item in enumerate(("by b", "b", "x", "y", "a", "by a"))]
    model = SessionKnn(distance_decay=0.5).fit(interactions(rows), now=NOW)
    assert best(model, [("me", "b", 2), ("me", "a", 1)])[0] in ("by a", "y")
    assert best(model, [("me", "a", 2), ("me", "b", 1)])[0] in ("by b", "x")


def test_many_neighbours_are_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [(f"u{n}", item, n % 7) for n in range(40) for item in ("a", f"b{n % 5}", f"c{n % 3}")]
    model = SessionKnn().fit(interactions(rows), now=NOW)
    past = interactions([("me", "a", 1), ("you", "c1", 1)])
    whole = model.recommend(past, 9)
    monkeypatch.setattr(session_knn, "_ENTRIES_AT_A_TIME", 7)
    assert_frame_equal(model.recommend(past, 9), whole, abs_tol=1e-5)

import polars as pl
from contract import NOW, interactions

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

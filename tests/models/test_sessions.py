import numpy as np
import polars as pl
import pytest
from contract import NOW, interactions
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import BadInputError
from recsys.models.id_map import IdMap
from recsys.models.sessions import by_session, sequence_matrix, session_parallel


def sequences(frame: pl.DataFrame, seed: int | None = None) -> dict[str, list[str]]:
    users, items = IdMap(frame["user_id"]), IdMap(pl.Series(["a", "b", "c", "d"]))
    matrix = sequence_matrix(frame, users, items, seed)
    return {
        users.names(np.array([row]))[0]: items.names(matrix.indices[start:end]).to_list()
        for row, (start, end) in enumerate(zip(matrix.indptr, matrix.indptr[1:], strict=False))
    }


def test_a_sequence_is_the_turns_from_item_to_item_oldest_first() -> None:
    rows = [("u", "b", 5), ("u", "a", 9), ("u", "b", 4), ("u", "new", 3), ("u", "b", 2), ("u", "a", 1), ("v", "c", 1)]
    for seed in (None, 1, 2):
        assert sequences(interactions(rows), seed) == {"u": ["a", "b", "a"], "v": ["c"]}


def test_what_came_at_one_moment_has_no_order_to_learn() -> None:
    basket = interactions([(f"u{n}", item, 1) for n in range(50) for item in ("c", "a", "b")])
    assert set(map(tuple, sequences(basket).values())) == {("a", "b", "c")}
    assert len(set(map(tuple, sequences(basket, seed=1).values()))) == 6
    assert sequences(basket, seed=1) == sequences(basket.reverse(), seed=1)


def test_sessions_take_the_place_of_users_where_they_are_known() -> None:
    frame = interactions([("u", "a", 2), ("u", "b", 1)])
    named = frame.with_columns(session_id=pl.Series(["s", None]))
    assert by_session(frame, now=NOW)["user_id"].to_list() == ["u", "u"]
    assert by_session(named, now=NOW)["user_id"].to_list() == ["s", "u"]
    with pytest.raises(BadInputError, match="are later than"):
        by_session(interactions([("u", "a", -1)]), now=NOW)


@given(st.lists(st.integers(2, 6), min_size=1, max_size=12), st.integers(1, 5))
def test_every_step_of_every_session_comes_once_and_in_one_lane(lengths: list[int], lanes: int) -> None:
    sizes = np.array(lengths)
    starts = np.cumsum(sizes) - sizes
    lane_of: list[int] = []  # for each lane, the session in it
    following, seen = 0, []
    for place, begins, stays in session_parallel(starts, sizes, lanes):
        lane_of = (
            [session for session, kept in zip(lane_of, stays, strict=True) if kept] if lane_of else [-1] * len(place)
        )
        assert len(place) == len(begins) == len(lane_of) <= lanes
        for lane, fresh in enumerate(begins):
            if fresh:
                lane_of[lane], following = following, following + 1
                assert place[lane] == starts[lane_of[lane]]
            assert starts[lane_of[lane]] <= place[lane] < starts[lane_of[lane]] + sizes[lane_of[lane]] - 1
        seen += place.tolist()
    assert sorted(seen) == [
        int(place) for start, size in zip(starts, sizes, strict=True) for place in range(start, start + size - 1)
    ]

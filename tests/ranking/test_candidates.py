import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.models.id_map import UNKNOWN, IdMap
from recsys.ranking.candidates import SOURCES, best_of_each, join_candidates
from recsys.schema import RecommendationTable

USERS = IdMap(pl.Series(["ann", "bob", "cyd"]))
ITEMS = IdMap(pl.Series([f"i{n}" for n in range(9)]))
I2I, PERSONALIZED, DEFAULT = RecommendationTable.I2I, RecommendationTable.PERSONALIZED, RecommendationTable.DEFAULT


def long(rows: list[tuple[str, str, float, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["key", "item_id", "score", "rank"], orient="row")


def test_every_pair_comes_once_with_what_each_source_says() -> None:
    lists = {
        I2I: long([("ann", "i1", 0.5, 1), ("ann", "i2", 0.4, 2)]).with_columns(based_on=pl.Series(["i7", "new"])),
        PERSONALIZED: long([("ann", "i2", 0.9, 1), ("bob", "i3", 0.8, 1), ("ann", "i8", 0.1, 7)]),
        DEFAULT: long([("", "i2", 3.0, 1)]).drop("key"),
    }
    found = join_candidates(lists, USERS, ITEMS, everyone=np.array([0, 1]), per_source=5)
    pairs = list(zip(USERS.names(found.users), ITEMS.names(found.items), strict=True))
    assert pairs == [("ann", "i1"), ("ann", "i2"), ("bob", "i2"), ("bob", "i3")]
    np.testing.assert_array_equal(found.ranks, [[1, 2, np.nan, np.nan], [np.nan, 1, np.nan, 1], [np.nan, 1, 1, np.nan]])
    assert found.scores[2].tolist()[1:3] == [3.0, 3.0]
    assert found.based_on.tolist() == [7, UNKNOWN, UNKNOWN, UNKNOWN]
    # i2i and personalized both rank ann's i2, the latter higher; of equals the first of SOURCES explains.
    assert [list(SOURCES)[index] for index in found.best_source()] == [I2I, PERSONALIZED, DEFAULT, PERSONALIZED]


def test_ids_that_are_not_in_the_maps_drop_out() -> None:
    lists = {I2I: long([("ann", "new", 1.0, 1), ("new", "i1", 1.0, 1), ("cyd", "i1", 1.0, 1)])}
    found = join_candidates(lists, USERS, ITEMS, everyone=np.empty(0, np.int32), per_source=5)
    assert (found.users.tolist(), found.items.tolist()) == ([2], [1])


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.one_of(st.just(float("nan")), st.floats(-5, 5, width=32))),
        min_size=1,
        max_size=60,
    ),
    st.integers(1, 8),
)
def test_best_of_each_is_a_sort_per_user(rows: list[tuple[int, float]], size: int) -> None:
    rows.sort(key=lambda row: row[0])
    users = np.array([user for user, _ in rows])
    scores = np.array([score for _, score in rows])
    positions, ranks = best_of_each(users, scores, size)
    expected = []
    for user in sorted(set(users)):
        mine = [place for place in range(len(rows)) if users[place] == user and scores[place] == scores[place]]
        expected += sorted(mine, key=lambda place: -scores[place])[:size]
    assert positions.tolist() == expected
    assert all(ranks[ranks > 1] == ranks[:-1][ranks[1:] > 1] + 1)

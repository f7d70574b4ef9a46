import math
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop_lists import lists

from recsys.errors import BadInputError
from recsys.publishing.frames import checked, slices, to_lists
from recsys.schema import RecommendationTable, SnapshotTable

TABLE = RecommendationTable.I2I


def test_rows_become_lists_in_order_of_rank() -> None:
    long = pl.DataFrame(
        {
            "user_id": ["b", "a", "b", "a"],
            "item_id": ["y", "p", "x", "q"],
            "rank": [2, 1, 1, 2],
            "score": [0.1, 0.9, 0.4, 0.2],
            "based_on": [None, "h", "h", None],
        }
    )
    assert to_lists(long, "user_id").to_dicts() == [
        {"key": "a", "item_ids": ["p", "q"], "scores": pytest.approx([0.9, 0.2]), "based_on": ["h", None]},
        {"key": "b", "item_ids": ["x", "y"], "scores": pytest.approx([0.4, 0.1]), "based_on": ["h", None]},
    ]


def test_no_rows_become_a_frame_that_can_be_published() -> None:
    empty = pl.DataFrame(schema={"key": pl.String, "item_id": pl.String, "rank": pl.Int32, "score": pl.Float32})
    assert checked(to_lists(empty, "key"), TABLE).is_empty()


@given(st.dictionaries(st.text(max_size=3), st.lists(st.text(max_size=3), min_size=1, max_size=4)))
def test_lists_hold_exactly_the_rows(wanted: dict[str, list[str]]) -> None:
    rows = [(key, item, rank) for key, items in wanted.items() for rank, item in enumerate(items)]
    schema = {"key": pl.String, "item_id": pl.String, "rank": pl.Int64}
    long = pl.DataFrame(rows, schema=schema, orient="row").sample(fraction=1, shuffle=True)
    assert dict(to_lists(long, "key").iter_rows()) == wanted


def broken(**columns: Any) -> pl.DataFrame:
    """A frame of three good lists, the second of which gets these values."""
    frame = lists("a", 3, 2).with_columns(reasons=pl.Series([["r", "r"]] * 3), based_on=pl.Series([["b", None]] * 3))
    rows = frame.to_dicts()
    rows[1].update(columns)
    return pl.DataFrame(rows, schema=frame.schema)


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"key": None}, "key None: the key is null"),
        ({"key": "a\0b"}, "the key holds a NUL"),
        ({"key": "u0"}, "key 'u0': the key comes more than once"),
        ({"item_ids": None}, "the list is null or empty"),
        ({"item_ids": [], "scores": [], "reasons": [], "based_on": []}, "the list is null or empty"),
        ({"item_ids": ["x", "x"]}, "an item is twice in the list"),
        ({"item_ids": ["x", None]}, "an item id is null or empty"),
        ({"item_ids": ["x", ""]}, "an item id is null or empty"),
        ({"item_ids": ["x", "y\0"]}, "an item id holds a NUL"),
        ({"scores": [1.0]}, "lists differ in length"),
        ({"scores": None}, "lists differ in length"),
        ({"reasons": ["r"]}, "lists differ in length"),
        ({"based_on": ["b", "b", "b"]}, "lists differ in length"),
        ({"scores": [1.0, math.nan]}, "a score is null, NaN or infinite"),
        ({"scores": [1.0, math.inf]}, "a score is null, NaN or infinite"),
        ({"scores": [1.0, None]}, "a score is null, NaN or infinite"),
        ({"reasons": ["r", None]}, "a reason is null or empty"),
        ({"based_on": ["", None]}, "based_on holds an empty text"),
    ],
)
def test_a_broken_rule_is_named_with_its_key(columns: dict[str, Any], rule: str) -> None:
    with pytest.raises(BadInputError, match=rule) as caught:
        checked(broken(**columns), TABLE)
    if "key" not in columns:
        assert "'u1'" in caught.value.message
    assert checked(broken(), TABLE).height == 3


def test_columns_must_be_the_published_ones() -> None:
    with pytest.raises(BadInputError, match=r"misses columns \['scores'\]"):
        checked(lists("a").drop("scores"), TABLE)
    with pytest.raises(BadInputError, match=r"unknown columns \['score'\]"):
        checked(lists("a").with_columns(score=1), TABLE)
    assert "scores" not in checked(lists("a").drop("scores"), SnapshotTable.PURCHASES).columns


def test_ids_given_as_numbers_become_text() -> None:
    frame = pl.DataFrame({"key": [1], "item_ids": [[10, 20]], "scores": [[1, 0]]})
    assert checked(frame, TABLE).row(0) == ("1", ["10", "20"], [1.0, 0.0])


@pytest.mark.parametrize("rows", [0, 1, 7, 100])
def test_slices_are_small_and_lose_nothing(rows: int) -> None:
    frame = lists("a", rows, 10)
    pieces = slices(frame, 50)
    assert pl.concat(pieces).equals(frame)
    assert max(piece.height for piece in pieces) <= 6

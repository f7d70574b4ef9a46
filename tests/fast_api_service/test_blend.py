import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_api_service.recommendations.blend import Pick, alternate, take, visible

item_ids = st.lists(st.integers(0, 30).map(str), max_size=40)
some_items = st.sets(st.integers(0, 30).map(str))


def picks(items: list[str], source: str = "s") -> list[Pick]:
    return [(item, 1.0, source, "r", None) for item in items]


@settings(deadline=None)
@given(item_ids, item_ids, some_items, some_items, st.integers(0, 50))
def test_a_blend_has_no_duplicates_nothing_hidden_and_is_as_long_as_the_lists_allow(
    first: list[str], second: list[str], bought: set[str], unavailable: set[str], limit: int
) -> None:
    taken = [pick[0] for pick in take(alternate(picks(first), picks(second)), limit, bought, unavailable)]
    assert len(taken) == len(set(taken))
    hidden = bought | unavailable
    assert not hidden & set(taken)
    assert len(taken) == min(limit, len({*first, *second} - hidden))


@settings(deadline=None)
@given(item_ids, item_ids)
def test_alternating_loses_nothing_and_keeps_each_order(first: list[str], second: list[str]) -> None:
    both = list(alternate(picks(first, "1"), picks(second, "2")))
    assert [pick[0] for pick in both if pick[2] == "1"] == first
    assert [pick[0] for pick in both if pick[2] == "2"] == second


@given(item_ids, some_items, some_items)
def test_hidden_items_take_no_turn(items: list[str], bought: set[str], unavailable: set[str]) -> None:
    kept = [pick[0] for pick in visible(picks(items), bought, unavailable)]
    assert kept == [item for item in items if item not in bought | unavailable]


def test_alternating_takes_turns_until_one_ends() -> None:
    both = alternate(picks(["a", "b"]), picks(["x", "y", "z", "w"]))
    assert [pick[0] for pick in both] == ["a", "x", "b", "y", "z", "w"]


@pytest.mark.parametrize("limit", [0, -1])
def test_nothing_is_taken_for_no_limit(limit: int) -> None:
    assert take(picks(["a"]), limit) == []


def test_no_more_is_drawn_than_needed() -> None:
    drawn: list[str] = []

    def source() -> object:
        for pick in picks(["a", "b", "c"]):
            drawn.append(pick[0])
            yield pick

    take(source(), 2)  # type: ignore[arg-type]
    assert drawn == ["a", "b"]

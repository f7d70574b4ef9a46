import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_api_service.recommendations.blend import Pick, spread, take, weave

item_ids = st.lists(st.integers(0, 30).map(str), max_size=40)
some_items = st.sets(st.integers(0, 30).map(str))
shares = st.floats(0.01, 0.99)


def picks(items: list[str], source: str = "s") -> list[Pick]:
    return [(item, 1.0, source, "r", None) for item in items]


@settings(deadline=None)
@given(item_ids, item_ids, some_items, shares, st.integers(0, 50))
def test_a_blend_has_no_duplicates_nothing_hidden_and_is_as_long_as_the_lists_allow(
    first: list[str], second: list[str], hidden: set[str], share: float, limit: int
) -> None:
    woven = weave(picks(first), picks(second), share)
    taken = [pick[0] for pick in take(woven, limit, hidden)]
    assert len(taken) == len(set(taken))
    assert not hidden & set(taken)
    assert len(taken) == min(limit, len({*first, *second} - hidden))


@settings(deadline=None)
@given(item_ids, item_ids, shares)
def test_weaving_loses_nothing_keeps_each_order_and_the_share(
    first: list[str], second: list[str], share: float
) -> None:
    woven = list(weave(picks(first, "1"), picks(second, "2"), share))
    assert [pick[0] for pick in woven if pick[2] == "1"] == first
    assert [pick[0] for pick in woven if pick[2] == "2"] == second
    own = [place for place, pick in enumerate(woven) if pick[2] == "1"]
    for number, place in enumerate(own[1:], 1):
        given = place - number  # picks of the second list before this one
        assert abs(given - min(len(second), number * share / (1 - share))) < 1 or given == len(second)


def test_half_the_places_is_every_second_until_one_ends() -> None:
    both = weave(picks(["a", "b"]), picks(["x", "y", "z", "w"]), 0.5)
    assert [pick[0] for pick in both] == ["a", "x", "b", "y", "z", "w"]


def test_a_tenth_of_the_places_is_every_tenth() -> None:
    both = [pick[2] for pick in weave(picks(["a"] * 50, "1"), picks(["b"] * 9, "2"), 0.1)]
    assert [place for place, source in enumerate(both, 1) if source == "2"][:5] == [10, 20, 30, 40, 50]


def test_a_source_gives_no_more_than_its_size() -> None:
    both = [*picks(["a", "b", "c"], "1"), *picks(["d", "e"], "2")]
    assert [pick[0] for pick in take(both, 4, sizes={"1": 2})] == ["a", "b", "d", "e"]
    assert [pick[0] for pick in take(both, 1, sizes={"1": 2})] == ["a"]


CATEGORIES = dict.fromkeys("abcd", "shoes") | dict.fromkeys("ef", "hats")


def test_diversity_moves_an_item_back_for_each_better_one_of_its_category() -> None:
    def order(diversity: float, cap: int | None = None) -> str:
        return "".join(pick[0] for pick in spread(picks(list("abcdxef")), CATEGORIES.get, diversity, cap))

    assert order(0) == "abcdxef"
    assert order(1)[:3] == "axe"
    assert order(0, cap=1) == "axebcdf"


@given(st.lists(st.sampled_from("abcdefxyz"), unique=True), st.floats(0, 1), st.none() | st.integers(1, 3))
def test_spreading_loses_nothing_and_keeps_the_cap(items: list[str], diversity: float, cap: int | None) -> None:
    order = [pick[0] for pick in spread(picks(items), CATEGORIES.get, diversity, cap)]
    assert sorted(order) == sorted(items)
    of_one = [[item for item in items if CATEGORIES.get(item) == category] for category in ("shoes", "hats")]
    beyond = {item for each in of_one for item in each[cap or len(items) :]}
    assert set(order[len(order) - len(beyond) :]) == beyond


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

"""Explored places: how often, what, and with which probability told."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fast_api_service.recommendations.blend import Pick
from fast_api_service.recommendations.exploration import explore

NAMES = st.sampled_from("abcdefgh")


def picks(items: str) -> list[Pick]:
    return [(item, 1.0, "s", "r", None) for item in items]


@given(
    st.lists(NAMES, unique=True),
    st.dictionaries(NAMES, st.floats(0, 5)),
    st.floats(0, 0.5),
    st.sets(NAMES),
    st.integers(0, 10),
    st.integers(),
)
def test_no_item_comes_twice_nothing_hidden_is_drawn_and_the_limit_is_kept(
    items: list[str], candidates: dict[str, float], share: float, hidden: set[str], limit: int, seed: int
) -> None:
    chance = random.Random(seed).random
    shown, told = explore(
        picks("".join(items)), list(candidates.items()), share, lambda item: item not in hidden, limit, chance
    )
    ids = [pick[0] for pick in shown]
    assert len(ids) == len(set(ids)) <= limit
    assert told.keys() == {pick[0] for pick in shown if pick[2] == "exploration"}
    assert not told.keys() & hidden
    assert all(0 < propensity <= share * 1.000001 for propensity in told.values())
    assert [item for item in ids if item not in told] == [item for item in items if item not in told][
        : len(ids) - len(told)
    ]


def test_what_is_told_is_how_often_it_happens() -> None:
    chance, rounds = random.Random(1).random, 20_000
    seen: Counter[str] = Counter()
    for _ in range(rounds):
        shown, told = explore(picks("abc"), [("x", 3.0), ("y", 1.0)], 0.2, lambda _: True, 1, chance)
        seen.update(list(told))
        for item, propensity in told.items():
            assert propensity == pytest.approx({"x": 0.15, "y": 0.05}[item])
        assert len(shown) == 1
    assert seen["x"] / rounds == pytest.approx(0.15, abs=0.01)
    assert seen["y"] / rounds == pytest.approx(0.05, abs=0.006)


def test_without_a_share_nothing_is_drawn() -> None:
    assert explore(picks("abc"), [("x", 1.0)], 0.0, lambda _: True, 2) == (picks("ab"), {})

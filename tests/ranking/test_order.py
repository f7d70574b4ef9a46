from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from recsys.dataset.prepared import CATEGORIES, EVENTS, ITEM_HISTORY
from recsys.models.id_map import UNKNOWN
from recsys.ranking.candidates import Candidates
from recsys.ranking.facts import ItemFacts
from recsys.ranking.order import GIVEN_AWAY, PAGE, ListOrder
from recsys.settings import RankerSettings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KINDS = ["shoe", "shoe", "shoe", "hat", "hat", None] + [None] * 24


@pytest.fixture(scope="module")
def items() -> ItemFacts:
    """Items i00, i01 … in the categories of `KINDS`."""
    history = [(f"i{n:02}", NOW - timedelta(days=1), kind, True, 1.0) for n, kind in enumerate(KINDS)]
    return ItemFacts(
        EVENTS.to_frame(),
        pl.DataFrame(history, schema=ITEM_HISTORY, orient="row"),
        CATEGORIES.to_frame(),
        now=NOW,
        assume_available=True,
    )


def candidates(users: int, per_user: int) -> Candidates:
    """Each user could be shown items 0, 1, 2 …"""
    user, item = np.repeat(np.arange(users), per_user), np.tile(np.arange(per_user), users)
    unknown = np.full((3, len(user)), np.nan, np.float32)
    origin = np.full(len(user), UNKNOWN, np.int32)
    return Candidates(user.astype(np.int32), item.astype(np.int32), user * len(KINDS) + item, unknown, unknown, origin)


def settings(**given: float | None) -> RankerSettings:
    return RankerSettings(**{"discovery": 0.0, "diversity": 0.0} | given)  # type: ignore[arg-type]


def falling(users: int, per_user: int) -> np.ndarray:
    return np.tile(np.linspace(2, 1, per_user, dtype=np.float32), users)


def test_without_settings_it_is_the_order_of_the_scores(items: ItemFacts) -> None:
    best, ranks, worth = ListOrder(items, settings()).best(candidates(2, 4), falling(2, 4), 3)
    assert best.tolist() == [0, 1, 2, 4, 5, 6]
    assert ranks.tolist() == [1, 2, 3, 1, 2, 3]
    assert worth.tolist() == pytest.approx([2, 5 / 3, 4 / 3] * 2)


def test_each_further_item_of_a_category_counts_less(items: ItemFacts) -> None:
    scores = np.array([2.0, 1.9, 1.8, 1.5, 1.4, 1.3], np.float32)  # shoe shoe shoe hat hat none
    best, _, worth = ListOrder(items, settings(diversity=1.0)).best(candidates(1, 6), scores, 6)
    assert best.tolist() == [0, 3, 5, 1, 4, 2]
    assert worth.tolist() == pytest.approx([2.0, 1.5, 1.3, 0.9, 0.4, -0.2])


def test_items_without_a_category_are_not_alike(items: ItemFacts) -> None:
    scores = np.array([-9] * 6 + [2.0, 1.9, 1.8], np.float32)
    best, _, _ = ListOrder(items, settings(diversity=5.0, category_cap=1)).best(candidates(1, 9), scores, 3)
    assert best.tolist() == [6, 7, 8]


def test_a_cap_puts_the_surplus_of_a_category_behind_all_others(items: ItemFacts) -> None:
    best, _, worth = ListOrder(items, settings(category_cap=1)).best(candidates(1, 6), falling(1, 6), 6)
    assert best.tolist() == [0, 3, 5, 1, 2, 4]
    assert (np.diff(worth) <= 0).all()


def test_discovery_moves_up_what_nobody_is_shown_where_it_costs_least(items: ItemFacts) -> None:
    everyone, scores = candidates(6, 16), falling(6, 16)
    # The fourth user would sooner act on the tenth item than others, the last one hardly on any from the sixth on.
    scores[3 * 16 + PAGE - 1] = 1.45
    scores[5 * 16 + 5 :] = np.linspace(-3, -4, 11)
    best, ranks, worth = ListOrder(items, settings(discovery=0.75)).best(everyone, scores, 16)
    shown = [everyone.items[best[(everyone.users[best] == user) & (ranks <= PAGE)]].tolist() for user in range(6)]
    # Three quarters of a place a list make four; items 10 to 15 are shown to nobody.
    discovered = [item for page in shown for item in page if item >= PAGE]
    assert len(discovered) == len(set(discovered)) == 4
    assert shown[5][: PAGE - GIVEN_AWAY] == list(range(PAGE - GIVEN_AWAY))
    assert min(shown[5][PAGE - GIVEN_AWAY :]) >= PAGE
    assert shown[3] == list(range(PAGE))
    assert sorted(best.tolist()) == list(range(6 * 16))
    assert (np.diff(worth)[ranks[1:] > 1] <= 0).all()


def test_what_was_discovered_for_one_is_not_for_the_next(items: ItemFacts) -> None:
    order = ListOrder(items, settings(discovery=1.0))
    pages = [order.best(candidates(1, 30), falling(1, 30), PAGE)[0].tolist() for _ in range(25)]
    discovered = [page[-1] for page in pages]
    assert [page[:-1] for page in pages] == [list(range(PAGE - 1))] * 25
    assert discovered == [*range(10, 30), 9, 9, 9, 9, 9]


def test_what_no_source_has_may_come_from_below_the_end_of_a_list(items: ItemFacts) -> None:
    given = candidates(1, 30)
    given.ranks[0, :29] = np.arange(1, 30)
    best, ranks, _ = ListOrder(items, settings(discovery=1.0)).best(given, falling(1, 30), PAGE)
    assert best.tolist() == [*range(9), 29]
    assert ranks.tolist() == list(range(1, PAGE + 1))


@hypothesis_settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(-5, 5, width=32)), min_size=1, max_size=60),
    st.floats(0, 2),
    st.floats(0, 2),
    st.one_of(st.none(), st.integers(1, 3)),
    st.integers(1, 20),
)
def test_whatever_the_settings_lists_are_whole_and_scores_fall(
    items: ItemFacts, rows: list[tuple[int, float]], diversity: float, discovery: float, cap: int | None, size: int
) -> None:
    counts = np.bincount([user for user, _ in rows], minlength=4).clip(0, len(KINDS))
    user = np.repeat(np.arange(4), counts).astype(np.int32)
    item = np.concatenate([np.arange(count) for count in counts]).astype(np.int32)
    unknown = np.full((3, len(user)), np.nan, np.float32)
    given = Candidates(user, item, user * 99 + item, unknown, unknown, np.full(len(user), UNKNOWN, np.int32))
    scores = np.resize(np.array([score for _, score in rows], np.float32), len(user))
    options = settings(diversity=diversity, discovery=discovery, category_cap=cap)
    best, ranks, worth = ListOrder(items, options).best(given, scores, size)
    assert len(set(best.tolist())) == len(best)
    assert np.bincount(user[best], minlength=4).tolist() == np.minimum(counts, size).tolist()
    assert (np.diff(user[best]) >= 0).all()
    assert (np.diff(worth)[np.diff(user[best]) == 0] <= 0).all()
    assert ((np.diff(ranks.astype(int)) == 1) == (np.diff(user[best]) == 0)).all()

"""Properties of rules: pins hold, excluded items never appear, no item twice, the limit is kept."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.placements import ruleset
from recsys.placements.categories import CategoryTree
from recsys.placements.rules import Rule
from recsys.placements.ruleset import EXCLUDED, RuleSet
from recsys.publishing.item_facts import Facts

ITEMS = [f"i{number}" for number in range(30)]
TREE = CategoryTree({"boots": "shoes", "shoes": None, "hats": None})
FACTS = {
    item: Facts(
        ("boots", "hats", None)[place % 3],
        ("acme", None)[place % 2],
        float(place),
        place,
        ["new"],
        True,
        False,
        False,
        1,
    )
    for place, item in enumerate(ITEMS)
}


def rule(action: str, conditions: dict[str, Any], **more: Any) -> Rule:
    return Rule.model_validate({"action": action, "conditions": conditions, **more})


def rules(*given: Rule) -> RuleSet:
    return RuleSet(given, FACTS.get, TREE)


CONDITIONS = st.one_of(
    st.fixed_dictionaries({"item_ids": st.lists(st.sampled_from(ITEMS), min_size=1, max_size=5)}),
    st.fixed_dictionaries({"category_ids": st.lists(st.sampled_from(["shoes", "boots", "hats"]), min_size=1)}),
    st.fixed_dictionaries({"brands": st.just(["acme"]), "price_max": st.integers(0, 30)}),
    st.fixed_dictionaries({"stock_min": st.integers(0, 30)}),
)
MOVES = st.builds(
    lambda action, conditions, places: rule(action, conditions, places=places),
    st.sampled_from(["boost", "bury"]),
    CONDITIONS,
    st.integers(1, 20),
)
NARROWING = st.builds(rule, st.sampled_from(["exclude", "include_only"]), CONDITIONS)
PINS = st.builds(
    lambda item, rank: rule("pin", {"item_ids": [item]}, position=rank), st.sampled_from(ITEMS), st.integers(1, 12)
)


def answer(found: RuleSet, offered: list[str], limit: int) -> list[str]:
    """What the service does with a rule set."""
    allowed = [(item,) for item in offered if found.effects[item] != EXCLUDED]
    pinned = [(rank, (item,)) for rank, item in found.pins.items()]
    return [pick[0] for pick in found.arrange(allowed[: limit + found.lookahead], limit, pinned)]


@given(
    st.lists(st.one_of(MOVES, NARROWING, PINS), max_size=8),
    st.lists(st.sampled_from(ITEMS), unique=True),
    st.integers(1, 15),
)
def test_pins_hold_excluded_items_never_appear_no_item_twice_and_the_limit_is_kept(
    given_rules: list[Rule], offered: list[str], limit: int
) -> None:
    found = rules(*given_rules)
    shown = answer(found, offered, limit)
    assert len(shown) == len(set(shown)) <= limit
    excluded = {
        item
        for item in ITEMS
        for each in given_rules
        if each.action == "exclude" and each.conditions.hold(item, FACTS[item], TREE)
    }
    includes = [each for each in given_rules if each.action == "include_only"]
    assert not set(shown) & excluded
    assert all(
        not includes or any(each.conditions.hold(item, FACTS[item], TREE) for each in includes) for item in shown
    )
    for rank, item in found.pins.items():
        if rank <= len(shown):
            assert shown[rank - 1] == item
    # As full as can be: nothing that was offered is left out while there is room.
    beyond = {item for rank, item in found.pins.items() if rank > limit}
    could = ({item for item in offered if found.effects[item] != EXCLUDED} | set(found.pins.values())) - beyond
    assert len(shown) == min(limit, len(could))


@given(st.lists(MOVES, min_size=1, max_size=6), st.permutations(ITEMS), st.integers(1, 15))
def test_looking_so_far_ahead_is_as_good_as_looking_at_everything(
    moves: list[Rule], offered: list[str], limit: int
) -> None:
    found = rules(*moves)
    everything = [pick[0] for pick in found.arrange([(item,) for item in offered], len(offered))]
    assert answer(found, offered, limit) == everything[:limit]


def test_boosted_items_come_before_and_buried_ones_after_the_place_they_move_to() -> None:
    found = rules(rule("boost", {"item_ids": ["i4"]}, places=3), rule("bury", {"item_ids": ["i0"]}, places=2))
    assert answer(found, ITEMS[:6], 6) == ["i4", "i1", "i2", "i0", "i3", "i5"]


def test_the_strongest_of_several_rules_counts() -> None:
    found = rules(rule("boost", {"item_ids": ["i9"]}, places=3), rule("boost", {"stock_min": 9}, places=5))
    assert found.effects["i9"] == -5.5
    assert found.effects["i10"] == -5.5
    assert found.effects["i8"] == 0


def test_a_category_means_those_below_it_too() -> None:
    found = rules(rule("exclude", {"category_ids": ["shoes"]}))
    assert [item for item in ITEMS[:6] if found.effects[item] == EXCLUDED] == ["i0", "i3"]


def test_what_is_not_known_of_an_item_meets_no_condition() -> None:
    found = rules(rule("exclude", {"price_max": 100}), rule("exclude", {"item_ids": ["named"]}))
    assert (found.effects["stranger"], found.effects["named"]) == (0, EXCLUDED)


def test_effects_are_worked_out_anew_for_items_whose_facts_changed() -> None:
    facts = dict(FACTS)
    found = RuleSet([rule("exclude", {"price_max": 3})], facts.get, TREE)
    assert found.effects["i8"] == 0
    facts["i8"] = facts["i8"]._replace(price=1.0)
    assert found.effects["i8"] == 0  # remembered
    found.forget(["i8"])
    assert found.effects["i8"] == EXCLUDED


def test_forgetting_effects_to_save_memory_lets_nothing_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "_MOST_EFFECTS", 3)
    found = rules(rule("exclude", {"item_ids": ITEMS[::4]}))
    assert found.effects.excluded(ITEMS) == set(ITEMS[::4])
    assert len(found.effects) <= 3


def test_a_pin_waits_for_its_other_conditions() -> None:
    assert not rules(rule("pin", {"item_ids": ["i3"], "stock_min": 4}, position=1)).pins
    assert rules(rule("pin", {"item_ids": ["i4"], "stock_min": 4}, position=1)).pins == {1: "i4"}

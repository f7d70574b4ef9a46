"""Rules as people write them: what is refused, and which contradict each other."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from recsys.placements.categories import CategoryTree
from recsys.placements.rules import Rule, conflicts
from recsys.publishing.item_facts import Facts
from recsys.schema import Placement

PIN = {"action": "pin", "conditions": {"item_ids": ["boot"]}, "position": 1}
FACTS = {"boot": Facts("boots", "acme", 50.0, 3, ["new"], True, False, False, 1)}
TREE = CategoryTree({"boots": "shoes", "shoes": None})


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"colour": "red"}, "Choose from 'action', 'conditions'"),
        ({"conditions": {"colour": "red"}}, "Choose from 'item_ids', 'category_ids'"),
        ({"conditions": {}}, "Say which items are meant"),
        ({"conditions": {"price_min": 3, "price_max": 2}}, "Swap them"),
        ({"action": "boost"}, "Say by how many ranks"),
        ({"action": "boost", "places": 3, "position": 2}, "Leave it out"),
        ({"action": "exclude", "position": 1}, "Leave it out"),
        ({"position": None}, "Give the rank"),
        ({"conditions": {"item_ids": ["a", "b"]}}, "exactly one id"),
        ({"starts_at": "2026-02-01T00:00:00Z", "ends_at": "2026-01-01T00:00:00Z"}, "after starts_at"),
    ],
)
def test_what_is_wrong_is_refused_with_a_remedy(given: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({**PIN, **given})
    assert part in caught.value.errors()[0]["ctx"]["remedy"]


@pytest.mark.parametrize("given", [{"placements": ["hom"]}, {"action": "hide"}])
def test_unknown_names_are_answered_with_the_known_ones(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"'home', 'product'|'boost', 'bury'"):
        Rule.model_validate({**PIN, **given})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"action": "exclude", "conditions": {"item_ids": ["boot", "hat"]}}, "the other excludes it"),
        ({"action": "exclude", "conditions": {"category_ids": ["shoes"]}}, "the other excludes it"),
        ({"action": "exclude", "conditions": {"price_min": 50, "price_max": 50}}, "the other excludes it"),
        ({"action": "exclude", "conditions": {"price_max": 49}}, None),
        ({"action": "exclude", "conditions": {"item_ids": ["boot"]}, "placements": ["cart"]}, None),
        ({"action": "exclude", "conditions": {"item_ids": ["boot"]}, "enabled": False}, None),
        ({"action": "exclude", "conditions": {"item_ids": ["boot"]}, "context": {"country": ["FR"]}}, None),
        ({"action": "exclude", "conditions": {"item_ids": ["boot"]}, "context": {"device": ["tv"]}}, "excludes it"),
        ({"action": "exclude", "conditions": {"item_ids": ["boot"]}, "ends_at": "2026-01-01T00:00:00Z"}, None),
        ({"action": "include_only", "conditions": {"brands": ["other"]}}, "among"),
        ({"action": "include_only", "conditions": {"brands": ["acme"]}}, None),
        ({"action": "pin", "conditions": {"item_ids": ["hat"]}, "position": 1}, "both pin to rank 1"),
        ({"action": "pin", "conditions": {"item_ids": ["boot"]}, "position": 2}, "the same item"),
        ({"action": "pin", "conditions": {"item_ids": ["hat"]}, "position": 2}, None),
        ({"action": "bury", "conditions": {"item_ids": ["boot"]}, "places": 2}, None),
    ],
)
def test_contradictions_are_found_from_either_side(other: dict[str, Any], why: str | None) -> None:
    only = {"placements": ["home"], "context": {"country": ["DE", "AT"]}, "starts_at": "2026-01-01T00:00:00Z"}
    pin = Rule.model_validate({**PIN, **only})
    second = Rule.model_validate(other)
    for one, two in ((pin, second), (second, pin)):
        found = conflicts(one, {"two": two}, FACTS.get, TREE)
        assert list(found) == (["two"] if why else [])
        assert why is None or why in found["two"]


def test_one_of_several_rules_that_include_is_enough_for_a_pin() -> None:
    other = Rule.model_validate({"action": "include_only", "conditions": {"brands": ["other"]}})
    own = Rule.model_validate({"action": "include_only", "conditions": {"brands": ["acme"]}})
    assert not conflicts(Rule.model_validate(PIN), {"a": other, "b": own}, FACTS.get, TREE)


def test_a_rule_holds_from_its_start_until_before_its_end() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    rule = Rule.model_validate({**PIN, "starts_at": start, "ends_at": end, "placements": ["home"]})
    assert [rule.holds_at(Placement.HOME, at) for at in (start, end)] == [True, False]
    assert not rule.holds_at(Placement.CART, start)


def test_a_rule_for_a_context_holds_where_every_name_has_one_of_its_values() -> None:
    rule = Rule.model_validate({**PIN, "context": {"country": ["DE", "AT"], "device": ["phone"]}})
    assert rule.fits({"country": "AT", "device": "phone", "more": "x"})
    assert not rule.fits({"country": "AT"})
    assert not rule.fits({"country": "FR", "device": "phone"})

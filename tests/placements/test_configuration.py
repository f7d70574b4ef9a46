"""The configuration of placements: what is refused, what is built in, what changed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys.placements.configuration import DEFAULTS, Configuration, differences
from recsys.schema import Placement, Source


def configuration(**home: Any) -> Configuration:
    return Configuration.model_validate({"placements": {"home": {"cascade": [{"source": "ranked"}], **home}}})


@pytest.mark.parametrize(
    ("home", "part"),
    [
        ({"cascade": [{"source": "guess"}]}, "'ranked', 'personalized'"),
        ({"cascade": [{"source": "exploration"}]}, "Explored items have places of their own"),
        ({"cascade": [{"source": "ranked"}, {"source": "ranked"}]}, "ranked stands in the cascade more than once"),
        ({"cascade": [{"source": "ranked", "enabled": False}]}, "No source of the cascade is enabled"),
        ({"cascade": []}, "at least 1 item"),
        ({"cascade": [{"source": "ranked", "weight": 1}]}, "less than 1"),
        ({"exploration": 0.6}, "less than or equal to 0.5"),
        ({"explore": 0.1}, "There is no field 'explore'"),
    ],
)
def test_what_is_wrong_is_refused(home: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError) as caught:
        configuration(**home)
    assert part in str(caught.value)


def test_an_unknown_placement_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValidationError, match="'home', 'product', 'category', 'cart', 'search-empty' or 'email'"):
        Configuration.model_validate({"placements": {"hom": {"cascade": [{"source": "ranked"}]}}})


def test_a_placement_left_out_is_as_built_in() -> None:
    found = configuration()
    assert [step.source for step in found.of(Placement.HOME).cascade] == [Source.RANKED]
    assert found.of(Placement.CART) == DEFAULTS[Placement.CART]
    assert set(DEFAULTS) == set(Placement)
    assert set(found.complete().placements) == set(Placement)


def test_differences_name_each_value_that_changed() -> None:
    before, after = configuration(exploration=0.1), configuration(cascade=[{"source": "ranked", "size": 3}])
    assert list(differences(before.model_dump(mode="json"), after.model_dump(mode="json"))) == [
        {"path": "placements.home.cascade.0.size", "before": None, "after": 3},
        {"path": "placements.home.exploration", "before": 0.1, "after": 0.0},
    ]


JSON = st.recursive(
    st.integers(0, 3) | st.text(max_size=2),  # null is the same as left out
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)


@given(JSON, JSON)
def test_there_are_differences_exactly_between_documents_that_differ(before: Any, after: Any) -> None:
    assert bool(list(differences(before, after))) == (before != after)

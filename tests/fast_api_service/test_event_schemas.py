import time
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fast_api_service.events.schemas import Event
from fast_api_service.problems import field_problems
from fast_api_service.schemas import unique_id
from recsys.placements import token

event = TypeAdapter(Event)
GOOD = {"event_type": "view", "user_id": "1", "item_id": "2"}


def problems(**changes: Any) -> list[tuple[str, str, str]]:
    try:
        event.validate_python(GOOD | changes)
    except ValidationError as error:
        return [(p.field, p.reason, p.remedy) for p in field_problems(error.errors(include_url=False))]
    return []


def test_what_is_left_out_gets_an_id_and_the_present() -> None:
    before = time.time() * 1000 - 1
    made = event.validate_python(GOOD)
    assert before <= made.timestamp_ms <= time.time() * 1000
    assert len(made.event_id) == 36


@pytest.mark.parametrize(
    ("changes", "field", "reason", "remedy"),
    [
        ({"timestamp_ms": 1_433_221_332}, "timestamp_ms", "timestamp_in_seconds", "by 1000"),
        ({"timestamp_ms": int(time.time() * 1e6)}, "timestamp_ms", "timestamp_in_future", "milliseconds"),
        ({"timestamp_ms": int(time.time() * 1e3) + 3_600_000}, "timestamp_ms", "timestamp_in_future", "clock"),
        ({"timestamp_ms": -5}, "timestamp_ms", "timestamp_in_seconds", ""),
        ({"timestamp_ms": 10**30}, "timestamp_ms", "timestamp_in_future", ""),
        ({"timestamp_ms": "now"}, "timestamp_ms", "int_type", "whole number"),
        ({"timestamp_ms": True}, "timestamp_ms", "int_type", "whole number"),
        ({"user_id": None}, "", "nobody", "session_id"),
        ({"user_id": 257597}, "user_id", "string_type", "quotes"),
        ({"user_id": "x" * 10_000}, "user_id", "string_too_long", "256"),
        ({"user_id": ""}, "user_id", "string_too_short", "at least 1"),
        ({"item_id": "a\x00b"}, "item_id", "string_pattern_mismatch", "NUL"),
        ({"event_type": "look"}, "event_type", "enum", "'impression' or 'click'"),
        ({"event_type": "rating"}, "", "value_out_of_range", "stars"),
        ({"event_type": "rating", "value": 6}, "", "value_out_of_range", "stars"),
        ({"event_type": "detail_leave", "value": -1}, "", "value_out_of_range", "seconds"),
        ({"event_type": "like", "value": 1}, "", "value_not_used", "Leave"),
        ({"event_type": "rating", "value": float("nan")}, "value", "finite_number", "finite"),
        ({"price": -1}, "price", "greater_than_equal", "0"),
        ({"price": float("nan")}, "price", "finite_number", "finite"),
        ({"quantity": 1e300}, "quantity", "less_than_equal", ""),
        ({"itemid": "2"}, "itemid", "extra_forbidden", "spelling"),
    ],
)
def test_bad_fields_are_named_with_a_remedy(changes: dict[str, Any], field: str, reason: str, remedy: str) -> None:
    [(found_field, found_reason, found_remedy)] = problems(**changes)
    assert (found_field, found_reason) == (field, reason)
    assert remedy in found_remedy


@pytest.mark.parametrize("row", [None, 3, "view", [], [GOOD]])
def test_a_row_that_is_no_object_is_refused(row: Any) -> None:
    with pytest.raises(ValidationError):
        event.validate_python(row)


words = st.text(st.characters(max_codepoint=300), max_size=5)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from([*GOOD, "timestamp_ms", "price"]), st.none() | st.integers() | words))
def test_a_row_is_refused_with_a_remedy_or_can_be_stored(changes: dict[str, Any]) -> None:
    try:
        made = event.validate_python(GOOD | changes)
    except ValidationError as error:
        remedies = [problem.remedy for problem in field_problems(error.errors(include_url=False))]
    else:
        remedies = ["none needed"]
        assert made.user_id or made.session_id
        assert -(2**63) <= made.timestamp_ms < 2**63
        assert not any("\x00" in str(value) for value in made.model_dump().values())
    assert all(remedies)


def test_ids_are_of_version_7_unique_and_in_order_of_time() -> None:
    first = unique_id()
    time.sleep(0.002)
    later = [unique_id() for _ in range(10_000)]
    assert first < min(later)
    assert len(set(later)) == 10_000
    assert {uuid.UUID(one).version for one in later} == {7}
    assert {uuid.UUID(one).variant for one in later} == {uuid.RFC_4122}


def test_an_event_is_stamped_with_how_its_item_was_shown() -> None:
    shown = token.make(unique_id(), "home", 42, ["2", "3"], ["trending", "exploration"], {"3": 0.25})
    stamps = {
        item_id: Event.model_validate(GOOD | {"item_id": item_id, "recommendation_id": shown}).collected()[-4:]
        for item_id in ("2", "3", "4")
    }
    assert stamps == {"2": ("home", "trending", 42, None), "3": ("home", "exploration", 42, 0.25), "4": (None,) * 4}
    old = Event.model_validate(GOOD | {"recommendation_id": unique_id()}).collected()
    assert (old.recommendation_id is not None, old.placement) == (True, None)

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.publishing import history
from recsys.publishing.history import History, RecentEvent
from recsys.schema import EventType

events = st.builds(
    RecentEvent,
    dataset=st.just("shop"),
    event_id=st.integers(0, 30).map(str),
    timestamp_ms=st.integers(-5, 5) | st.integers(-(2**62), 2**62),
    item_id=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=5),
    event_type=st.sampled_from([str(kind) for kind in EventType]),
    user_id=st.just("u"),
    session_id=st.none(),
)


def event(event_id: str, at: int, item: str = "i", kind: EventType = EventType.VIEW) -> RecentEvent:
    return RecentEvent("shop", event_id, at, item, kind, "u", None)


def build(*batches: list[RecentEvent], keep: int = 50) -> History:
    record = History(b"")
    for batch in batches:
        record = History(record.with_events(batch, keep, 7) or record._data)
    return record


@given(st.lists(events, unique_by=lambda event: event.event_id), st.integers(1, 10), st.randoms())
def test_order_and_repetition_of_batches_do_not_matter(
    given_events: list[RecentEvent], keep: int, shuffler: random.Random
) -> None:
    once = build(given_events, keep=keep)
    again = list(given_events)
    shuffler.shuffle(again)
    cut = shuffler.randint(0, len(again))
    pieces = build(again[:cut], again[cut:], again, keep=keep)
    assert pieces.events() == once.events()
    assert set(pieces.purchased()) == set(once.purchased())
    expected = sorted(given_events, key=lambda event: event.timestamp_ms, reverse=True)[:keep]
    assert [found.timestamp_ms for found in once.events()] == [event.timestamp_ms for event in expected]
    assert once.events(3) == once.events()[:3]


def test_an_empty_history_has_nothing() -> None:
    assert History(b"").events() == History(b"").events(5) == History(b"").purchased() == []


def test_events_come_newest_first_with_what_happened() -> None:
    found = build([event("1", 10, "a"), event("2", 30, "c", EventType.PURCHASE), event("3", 20, "é")])
    assert [(past.timestamp_ms, past.item_id, past.event_type) for past in found.events()] == [
        (30, "c", EventType.PURCHASE),
        (20, "é", EventType.VIEW),
        (10, "a", EventType.VIEW),
    ]
    assert found.minute == 7


def test_purchases_outlive_the_events() -> None:
    bought = [event("buy", 1, "bought", EventType.PURCHASE)]
    found = build(bought, [event(str(number), 10 + number) for number in range(5)], keep=3)
    assert len(found.events()) == 3
    assert found.purchased() == ["bought"]
    assert found.with_events(bought, 3, 8) is None, "known, though its event is no longer kept"


def test_purchases_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MAX_PURCHASES", 2)
    found = build([event(item, at, item, EventType.PURCHASE) for at, item in enumerate("abc")])
    assert found.purchased() == ["c", "b"]

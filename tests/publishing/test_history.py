import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.publishing import history
from recsys.publishing.history import History, RecentEvent
from recsys.schema import EventType, meaning

events = st.builds(
    RecentEvent,
    dataset=st.just("shop"),
    event_id=st.integers(0, 30).map(str),
    timestamp_ms=st.integers(-5, 5) | st.integers(-(2**62), 2**62),
    item_id=st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=5),
    event_type=st.sampled_from([str(kind) for kind in EventType]),
    user_id=st.just("u"),
    session_id=st.none(),
    value=st.none() | st.sampled_from([1.0, 3.0, 5.0]),
)


def event(event_id: str, at: int, item: str = "i", kind: EventType = EventType.VIEW) -> RecentEvent:
    return RecentEvent("shop", event_id, at, item, kind, "u", None)


def build(*batches: list[RecentEvent], keep: int = 50, on: History | None = None) -> History:
    record = on or History(b"")
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
    telling = [event for event in given_events if event.event_type not in {"impression", "click", "detail_leave"}]
    expected = sorted(telling, key=lambda event: event.timestamp_ms, reverse=True)[:keep]
    assert [found.timestamp_ms for found in once.events()] == [event.timestamp_ms for event in expected]
    assert once.events(3) == once.events()[:3]


@given(st.lists(events, unique_by=lambda event: event.event_id), st.randoms())
def test_cart_and_dislikes_are_what_the_newest_events_say(
    given_events: list[RecentEvent], shuffler: random.Random
) -> None:
    def standing(begin: set[str], end: set[str]) -> set[str]:
        last: dict[str, tuple[int, bool]] = {}
        for event in given_events:
            kind = meaning(event.event_type, event.value)
            if kind in begin | end:
                said = (event.timestamp_ms, kind in end)
                last[event.item_id] = max(said, last.get(event.item_id, said))
        return {item_id for item_id, (_, ended) in last.items() if not ended}

    shuffler.shuffle(given_events)
    cut = shuffler.randint(0, len(given_events))
    found = build(given_events[:cut], given_events[cut:], given_events[:cut])
    assert set(found.cart()) == standing({"add_to_cart"}, {"remove_from_cart", "purchase"})
    assert set(found.disliked()) == standing({"dislike"}, {"like"})


def test_what_was_disliked_or_put_into_the_cart_outlives_the_events() -> None:
    first = [
        event("1", 1, "bad", EventType.DISLIKE),
        event("2", 2, "worse", EventType.DISLIKE),
        event("3", 3, "wanted", EventType.ADD_TO_CART),
    ]
    found = build(first, [event(str(number), number) for number in range(10, 20)], keep=3)
    assert (found.disliked(), found.cart()) == (["worse", "bad"], ["wanted"])
    assert found.with_events(first, 3, 8) is None
    found = build([event("20", 20, "bad", EventType.LIKE), event("21", 21, "wanted", EventType.PURCHASE)], on=found)
    assert (found.disliked(), found.cart(), found.purchased()) == (["worse"], [], ["wanted"])


def test_only_interest_is_interest() -> None:
    kinds = [EventType.VIEW, EventType.REMOVE_FROM_CART, EventType.LIKE, EventType.DISLIKE, EventType.VIEW]
    found = build([event(f"{at}", at, item, kind) for at, (item, kind) in enumerate(zip("abcde", kinds, strict=True))])
    assert found.interests() == [("e", 4), ("c", 2), ("a", 0)]
    assert build([event("9", 9, "a", EventType.DISLIKE)], on=found).interests() == [("e", 4), ("c", 2)]


def test_a_rating_says_what_its_stars_say() -> None:
    rated = [
        RecentEvent("shop", f"{stars}", stars, f"{stars} stars", EventType.RATING, "u", None, stars)
        for stars in range(1, 6)
    ]
    found = build(rated)
    assert found.disliked() == ["2 stars", "1 stars"]
    assert [past.event_type for past in found.events()] == ["like", "like", "rating", "dislike", "dislike"]


def test_an_empty_history_has_nothing() -> None:
    assert History(b"").events() == History(b"").events(5) == History(b"").purchased() == []
    assert History(b"").disliked() == History(b"").cart() == []


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

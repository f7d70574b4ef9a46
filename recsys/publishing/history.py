"""One user's or session's record in the recent store: the last events, and what follows from all there were.

    minute u32 | count u16 | bytes of items, bought, disliked, cart u32[4]
    | times i64[count] | ids u64[count] | types u8[count] | items | bought | disliked | cart
    | times of disliked i64[] | times of cart i64[]

Texts are joined by NUL; what is newest comes first. The minute is that of the last write, for eviction. An id is a hash
of the event's id, enough to know an event again among the few that are kept.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from recsys.publishing.codec import SEPARATOR
from recsys.schema import EventType, meaning

FORMAT = 2  # grows with every change of the layout: a store of another format is begun anew
MAX_PURCHASES = 1000  # per key; older ones are in the `user_purchases` snapshot since long
MAX_DISLIKED = 1000  # per key, and the same of `user_dislikes`
MAX_CART = 200
_HEADER = struct.Struct("<IHIIII")
# Stored as positions: only ever append. Types that are not listed tell nothing about what a shopper wants next, and
# a page of impressions would push out what does.
_TYPES = (
    EventType.VIEW,
    EventType.ADD_TO_CART,
    EventType.PURCHASE,
    EventType.REMOVE_FROM_CART,
    EventType.LIKE,
    EventType.DISLIKE,
    EventType.RATING,
)
_CODES = {str(kind): code for code, kind in enumerate(_TYPES)}
_ADD, _PURCHASE, _REMOVE, _LIKE, _DISLIKE = (
    _CODES[kind]
    for kind in (
        EventType.ADD_TO_CART,
        EventType.PURCHASE,
        EventType.REMOVE_FROM_CART,
        EventType.LIKE,
        EventType.DISLIKE,
    )
)
_AGAINST = frozenset((_REMOVE, _DISLIKE))


@dataclass(frozen=True, slots=True)
class RecentEvent:
    """Something a shopper did, as collected; at least one of `user_id` and `session_id` is given."""

    dataset: str
    event_id: str
    timestamp_ms: int
    item_id: str
    event_type: str
    user_id: str | None
    session_id: str | None
    value: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "RecentEvent":
        """From a row with columns of these names."""
        return cls(*(row[name] for name in cls.__slots__))


class PastEvent(NamedTuple):
    """An event as kept."""

    timestamp_ms: int
    item_id: str
    event_type: EventType


class History:
    """What is kept of one user or session, decoded when asked for."""

    __slots__ = ("_bought_at", "_cart_at", "_count", "_data", "_disliked_at", "_end", "_items_at", "minute")

    def __init__(self, data: bytes) -> None:
        """`data` is empty where nothing is kept; `minute` tells when it was written, in minutes since the epoch."""
        self._data = data
        self.minute, self._count, items, bought, disliked, cart = _HEADER.unpack_from(data) if data else (0,) * 6
        self._items_at = _HEADER.size + 17 * self._count
        self._bought_at = self._items_at + items
        self._disliked_at = self._bought_at + bought
        self._cart_at = self._disliked_at + disliked
        self._end = self._cart_at + cart

    def __bool__(self) -> bool:
        """Whether anything is kept."""
        return bool(self._data)

    def events(self, limit: int | None = None) -> list[PastEvent]:
        """The newest `limit` events, newest first."""
        times, codes, items = self._decoded(self._count if limit is None else min(limit, self._count))
        return list(map(PastEvent, times, items, map(_TYPES.__getitem__, codes)))

    def interests(self) -> list[tuple[str, int]]:
        """Item and time of events that show interest, newest first: not what was taken out of the cart or disliked."""
        times, codes, items = self._decoded(self._count)
        disliked = self.disliked()
        return [
            (item_id, at)
            for at, code, item_id in zip(times, codes, items, strict=True)
            if code not in _AGAINST and item_id not in disliked
        ]

    def purchased(self) -> list[str]:
        """Items bought, the last first."""
        return _texts(self._data[self._bought_at : self._disliked_at])

    def disliked(self) -> list[str]:
        """Items disliked and not liked since, the last first."""
        return _texts(self._data[self._disliked_at : self._cart_at])

    def cart(self) -> list[str]:
        """Items put into the cart and neither taken out nor bought since, the last first."""
        return _texts(self._data[self._cart_at : self._end])

    def _decoded(self, count: int) -> tuple[tuple[int, ...], bytes, list[str]]:
        """Times, types and items of the newest `count` events."""
        if not count:
            return (), b"", []
        types_at = self._items_at - self._count
        return (
            struct.unpack_from(f"<{count}q", self._data, _HEADER.size),
            self._data[types_at : types_at + count],
            self._data[self._items_at : self._bought_at].decode().split(SEPARATOR, count)[:count],
        )

    def with_events(self, added: Iterable[RecentEvent], keep: int, minute: int) -> bytes | None:
        """The record with these events too, the newest `keep` of all; None when that changes nothing."""
        numbers = struct.unpack_from(f"<{self._count}q{self._count}Q", self._data, _HEADER.size) if self._count else ()
        times, ids = list(numbers[: self._count]), list(numbers[self._count :])
        types = bytearray(self._data[self._items_at - self._count : self._items_at])
        items = self._data[self._items_at : self._bought_at].decode().split(SEPARATOR) if self._count else []
        bought = self.purchased()
        disliked = _Standing(self.disliked(), self._data, self._end)
        cart = _Standing(self.cart(), self._data, self._end + 8 * len(disliked.since))
        changed = False
        for event in added:
            code = _CODES.get(meaning(event.event_type, event.value))
            if code is None:
                continue
            known = int.from_bytes(blake2b(event.event_id.encode(), digest_size=8).digest(), "little")
            at = event.timestamp_ms
            # The id settles ties, so that the same events give the same record in whatever order they come.
            place = 0
            while place < len(times) and (times[place], ids[place]) > (at, known):
                place += 1
            if place < keep and known not in ids:
                times.insert(place, at)
                ids.insert(place, known)
                types.insert(place, code)
                items.insert(place, event.item_id)
                del times[keep:], ids[keep:], types[keep:], items[keep:]
                changed = True
            if code == _PURCHASE and event.item_id not in bought:
                bought = [event.item_id, *bought[: MAX_PURCHASES - 1]]
                changed = True
            if code in (_LIKE, _DISLIKE):
                disliked.note(event.item_id, at, holds=code == _DISLIKE)
            elif code in (_ADD, _REMOVE, _PURCHASE):
                cart.note(event.item_id, at, holds=code == _ADD)
        # What came late must not bring back what an event known already had ended.
        for at, code, item_id in zip(times, types, items, strict=True):
            if code == _LIKE:
                disliked.note(item_id, at, holds=False)
            elif code in (_REMOVE, _PURCHASE):
                cart.note(item_id, at, holds=False)
        if not (changed or disliked.changed() or cart.changed()):
            return None
        disliked.cut(MAX_DISLIKED)
        cart.cut(MAX_CART)
        texts = [SEPARATOR.join(part).encode() for part in (items, bought, disliked.since, cart.since)]
        return b"".join(
            (
                _HEADER.pack(minute, len(times), *map(len, texts)),
                struct.pack(f"<{len(times)}q{len(ids)}Q", *times, *ids),
                types,
                *texts,
                struct.pack(f"<{len(disliked.since)}q", *disliked.since.values()),
                struct.pack(f"<{len(cart.since)}q", *cart.since.values()),
            )
        )


NOTHING = History(b"")


class _Standing:
    """Items that something holds for since a time, such as being in the cart, until an event ends it."""

    def __init__(self, items: list[str], data: bytes, times_at: int) -> None:
        times = struct.unpack_from(f"<{len(items)}q", data, times_at) if items else ()
        self._before = dict(zip(items, times, strict=True))
        self.since = dict(self._before)

    def changed(self) -> bool:
        return self.since != self._before

    def note(self, item_id: str, at: int, *, holds: bool) -> None:
        """An event says that it holds, or no longer does; of one moment's events those that end it win."""
        since = self.since.get(item_id)
        if holds and (since is None or at > since):
            self.since[item_id] = at
        elif not holds and since is not None and at >= since:
            del self.since[item_id]

    def cut(self, most: int) -> None:
        """Bring the newest to the front and keep so many."""
        newest = sorted(self.since.items(), key=lambda pair: (-pair[1], pair[0]))
        self.since = dict(newest[:most])


def _texts(data: bytes) -> list[str]:
    return data.decode().split(SEPARATOR) if data else []

"""One user's or session's record in the recent store: the last events, and what was bought.

    minute u32 | count u16 | bytes of items u32 | times i64[count] | ids u64[count] | types u8[count] | items | bought

Items and what was bought are joined by NUL; events come newest first. The minute is that of the last write, for
eviction. An id is a hash of the event's id, enough to know an event again among the few that are kept.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from recsys.publishing.codec import SEPARATOR
from recsys.schema import EventType

MAX_PURCHASES = 1000  # per key; older ones are in the `user_purchases` snapshot since long
_HEADER = struct.Struct("<IHI")
_TYPES = (EventType.VIEW, EventType.ADD_TO_CART, EventType.PURCHASE)  # stored as positions: only ever append
_CODES = {str(kind): code for code, kind in enumerate(_TYPES)}


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


class PastEvent(NamedTuple):
    """An event as kept."""

    timestamp_ms: int
    item_id: str
    event_type: EventType


class History:
    """What is kept of one user or session, decoded when asked for."""

    __slots__ = ("_bought_at", "_count", "_data", "_items_at", "minute")

    def __init__(self, data: bytes) -> None:
        """`data` is empty where nothing is kept; `minute` tells when it was written, in minutes since the epoch."""
        self._data = data
        self.minute, self._count, item_bytes = _HEADER.unpack_from(data) if data else (0, 0, 0)
        self._items_at = _HEADER.size + 17 * self._count
        self._bought_at = self._items_at + item_bytes

    def events(self, limit: int | None = None) -> list[PastEvent]:
        """The newest `limit` events, newest first."""
        count = self._count if limit is None else min(limit, self._count)
        times = struct.unpack_from(f"<{count}q", self._data, _HEADER.size) if count else ()
        types_at = self._items_at - self._count
        kinds = [_TYPES[code] for code in self._data[types_at : types_at + count]]
        items = self._data[self._items_at : self._bought_at].decode().split(SEPARATOR, count)
        return list(map(PastEvent, times, items, kinds))

    def purchased(self) -> list[str]:
        """Items bought, the last first."""
        text = self._data[self._bought_at :].decode()
        return text.split(SEPARATOR) if text else []

    def with_events(self, added: Iterable[RecentEvent], keep: int, minute: int) -> bytes | None:
        """The record with these events too, the newest `keep` of all; None when that changes nothing."""
        numbers = struct.unpack_from(f"<{self._count}q{self._count}Q", self._data, _HEADER.size) if self._count else ()
        times, ids = list(numbers[: self._count]), list(numbers[self._count :])
        types = bytearray(self._data[self._items_at - self._count : self._items_at])
        items = self._data[self._items_at : self._bought_at].decode().split(SEPARATOR) if self._count else []
        bought = self.purchased()
        changed = False
        for event in added:
            known = int.from_bytes(blake2b(event.event_id.encode(), digest_size=8).digest(), "little")
            at = event.timestamp_ms
            # The id settles ties, so that the same events give the same record in whatever order they come.
            place = 0
            while place < len(times) and (times[place], ids[place]) > (at, known):
                place += 1
            if place < keep and known not in ids:
                times.insert(place, at)
                ids.insert(place, known)
                types.insert(place, _CODES[event.event_type])
                items.insert(place, event.item_id)
                del times[keep:], ids[keep:], types[keep:], items[keep:]
                changed = True
            if event.event_type == EventType.PURCHASE and event.item_id not in bought:
                bought = [event.item_id, *bought[: MAX_PURCHASES - 1]]
                changed = True
        if not changed:
            return None
        text = SEPARATOR.join(items).encode()
        header = _HEADER.pack(minute, len(times), len(text))
        numbers_raw = struct.pack(f"<{len(times)}q{len(ids)}Q", *times, *ids)
        return b"".join((header, numbers_raw, types, text, SEPARATOR.join(bought).encode()))

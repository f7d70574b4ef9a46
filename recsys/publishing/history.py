"""One user's or session's record in the recent store: the last events, and what was bought.

    minute u32 | events u16 | bytes of their items u32 | per event: time i64, id u64, type u8 | items | bought items

Items are joined by NUL. The minute is that of the last write, for eviction. `id` is a hash of the event's id, enough to
know an event again among the few that are kept.
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
_EVENT = struct.Struct("<qQB")
_TYPES = (EventType.VIEW, EventType.ADD_TO_CART, EventType.PURCHASE)  # stored as positions: only ever append


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
    id_hash: int
    item_id: str
    event_type: EventType


class History:
    """What is kept of one user or session, decoded when asked for."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        """`data` is empty where nothing is kept."""
        self._data = data

    def events(self, limit: int | None = None) -> list[PastEvent]:
        """The newest `limit` events, newest first."""
        if not self._data:
            return []
        _, count, item_bytes = _HEADER.unpack_from(self._data)
        count = count if limit is None else min(limit, count)
        items_at = self._items_at()
        items = self._data[items_at : items_at + item_bytes].decode().split(SEPARATOR, count)
        end = _HEADER.size + count * _EVENT.size
        rows = _EVENT.iter_unpack(self._data[_HEADER.size : end])
        return [
            PastEvent(time, known, item, _TYPES[kind]) for (time, known, kind), item in zip(rows, items, strict=False)
        ]

    def purchased(self) -> list[str]:
        """Items bought, newest first."""
        if not self._data:
            return []
        item_bytes = _HEADER.unpack_from(self._data)[2]
        text = self._data[self._items_at() + item_bytes :].decode()
        return text.split(SEPARATOR) if text else []

    @property
    def minute(self) -> int:
        """When this was last written, in minutes since the epoch."""
        return int(_HEADER.unpack_from(self._data)[0]) if self._data else 0

    def _items_at(self) -> int:
        return _HEADER.size + int(_HEADER.unpack_from(self._data)[1]) * _EVENT.size

    def with_events(self, added: Iterable[RecentEvent], keep: int, minute: int) -> bytes | None:
        """The record with these events too, the newest `keep` of all; None when that changes nothing."""
        before, bought = self.events(), self.purchased()
        events = {event.id_hash: event for event in before}
        for event in added:
            kind = EventType(event.event_type)
            known = int.from_bytes(blake2b(event.event_id.encode(), digest_size=8).digest(), "little")
            events.setdefault(known, PastEvent(event.timestamp_ms, known, event.item_id, kind))
            if kind is EventType.PURCHASE and event.item_id not in bought:
                bought = [event.item_id, *bought][:MAX_PURCHASES]
        # The hash settles ties, so that the same events give the same record in whatever order they come.
        newest = sorted(events.values(), key=lambda event: event[:2], reverse=True)[:keep]
        if newest == before and bought == self.purchased():
            return None
        items = SEPARATOR.join(event.item_id for event in newest).encode()
        rows = (_EVENT.pack(event.timestamp_ms, event.id_hash, _TYPES.index(event.event_type)) for event in newest)
        header = _HEADER.pack(minute, len(newest), len(items))
        return b"".join((header, *rows, items, SEPARATOR.join(bought).encode()))

"""How one list is stored as an LMDB value, and read back without decoding more than the caller wants.

The service decodes a list per request, so this module imports nothing heavy and leaves out no tricks: ids are joined by
NUL (no id holds one, Postgres refuses it), and a bounded `str.split` stops after the first `limit` of them.

    count u32 | bytes of items u32 | bytes of based_on u32 | flags u8 | 3 unused
    scores f32[count]? | reasons u8[count]? | items | based_on? | key, when it was too long to be the LMDB key
"""

import hashlib
import struct
from typing import NamedTuple

SEPARATOR = "\0"
HAS_SCORES, HAS_REASONS, HAS_BASED_ON = 1, 2, 4
_HEADER = struct.Struct("<IIIB3x")

MAX_KEY_BYTES = 511  # LMDB's own limit
# No UTF-8 text holds these bytes, so they cannot collide with a key.
_EMPTY_KEY = b"\xfd"
_HASHED_KEY = b"\xfe"
META_KEY = b"\xff"


def storage_key(key: str) -> bytes:
    """The LMDB key for `key`; LMDB takes neither an empty one nor one above 511 bytes."""
    raw = key.encode("utf-8", "surrogatepass")  # a lone surrogate in a request must miss, not raise
    if not raw:
        return _EMPTY_KEY
    if len(raw) > MAX_KEY_BYTES:
        return _HASHED_KEY + hashlib.sha256(raw).digest()
    return raw


def original_key(stored: bytes, value: bytes) -> str:
    """The key that `storage_key` turned into `stored`; `value` is what lies there."""
    if stored == _EMPTY_KEY:
        return ""
    if stored[:1] == _HASHED_KEY:
        return unpack(value).long_key.decode()
    return stored.decode()


def pack(count: int, items: bytes, scores: bytes, reasons: bytes, based_on: bytes | None, key: str) -> bytes:
    """One value from its parts: `items`, `based_on` joined by NUL; `scores` as f32; `reasons` a byte each."""
    flags = HAS_SCORES * bool(scores) | HAS_REASONS * bool(reasons) | HAS_BASED_ON * (based_on is not None)
    raw = key.encode()
    tail = raw if len(raw) > MAX_KEY_BYTES else b""
    return b"".join(
        (_HEADER.pack(count, len(items), len(based_on or b""), flags), scores, reasons, items, based_on or b"", tail)
    )


class Parts(NamedTuple):
    """What `pack` was given."""

    length: int
    items: bytes
    scores: bytes
    reasons: bytes
    based_on: bytes | None
    long_key: bytes


def unpack(value: bytes) -> Parts:
    """The opposite of `pack`, for those who read everything."""
    count, items_bytes, based_on_bytes, flags = _HEADER.unpack_from(value)
    reasons_at = _HEADER.size + 4 * count * bool(flags & HAS_SCORES)
    items_at = reasons_at + count * bool(flags & HAS_REASONS)
    based_on_at = items_at + items_bytes
    end = based_on_at + based_on_bytes
    return Parts(
        count,
        value[items_at:based_on_at],
        value[_HEADER.size : reasons_at],
        value[reasons_at:items_at],
        value[based_on_at:end] if flags & HAS_BASED_ON else None,
        value[end:],
    )


class RecommendationList:
    """A stored list, best first. Each part is decoded when asked for, and only its first `limit` entries."""

    __slots__ = ("_based_on_bytes", "_codes", "_count", "_data", "_flags", "_items_at", "_items_bytes", "_reasons_at")

    def __init__(self, data: bytes, codes: tuple[str, ...]) -> None:
        """`codes` translates the reason bytes, see `SnapshotFile.reasons`."""
        self._data, self._codes = data, codes
        self._count, self._items_bytes, self._based_on_bytes, self._flags = _HEADER.unpack_from(data)
        self._reasons_at = _HEADER.size + (4 * self._count if self._flags & HAS_SCORES else 0)
        self._items_at = self._reasons_at + (self._count if self._flags & HAS_REASONS else 0)

    def __len__(self) -> int:
        return int(self._count)

    def items(self, limit: int | None = None) -> list[str]:
        """The first `limit` item ids, or all."""
        return self._texts(self._items_at, self._items_bytes, limit)

    def scores(self, limit: int | None = None) -> tuple[float, ...] | None:
        """Their scores; None for a table without."""
        if not self._flags & HAS_SCORES:
            return None
        count = self._count if limit is None else min(limit, self._count)
        return struct.unpack_from(f"<{count}f", self._data, _HEADER.size)

    def reasons(self, limit: int | None = None) -> list[str] | None:
        """Why each item is in the list; None where the table implies it."""
        if not self._flags & HAS_REASONS:
            return None
        count = self._count if limit is None else min(limit, self._count)
        return [self._codes[code] for code in self._data[self._reasons_at : self._reasons_at + count]]

    def based_on(self, limit: int | None = None) -> list[str | None] | None:
        """The item or category each entry comes from; None for a table without."""
        if not self._flags & HAS_BASED_ON:
            return None
        return [text or None for text in self._texts(self._items_at + self._items_bytes, self._based_on_bytes, limit)]

    def _texts(self, start: int, length: int, limit: int | None) -> list[str]:
        text = self._data[start : start + length].decode()
        if limit is None or limit >= self._count:
            return text.split(SEPARATOR)
        return text.split(SEPARATOR, limit)[:limit]

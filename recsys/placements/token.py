"""`recommendation_id`: says by itself what an answer showed, where, and what had put each item there.

A click or an order that brings it back can be attributed by any host, and no request has to store anything. It reads
`<UUID of version 7>.<base64url>`; the second part holds, little-endian,

    format u8 | placement u8 | items u16 | version u64 | (24 bits of the item id's CRC-32, u8 source)* | u8 propensity*

with a propensity for each item whose source byte has the top bit set. An item that was not in the answer is taken for
one of its n items once in 16,777,216 / n times. Nothing is signed: whoever may send events could lie in other ways too.
"""

import math
import re
import struct
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

from recsys.schema import Placement, Source

LONGEST = 1024  # characters; an answer of 100 items, all of them explored, takes 720
MOST_ITEMS = 140  # what fits

# Shops send ids back days later, so a code is never given to another name.
_PLACEMENTS: dict[str, int] = {
    str(Placement.HOME): 1,
    str(Placement.PRODUCT): 2,
    str(Placement.CATEGORY): 3,
    str(Placement.CART): 4,
    str(Placement.SEARCH_EMPTY): 5,
    str(Placement.EMAIL): 6,
    # Lists that have an address of their own.
    "personalized": 32,
    "online": 33,
    "similar": 34,
    "default": 35,
}
_SOURCES: dict[str, int] = {
    str(Source.RANKED): 1,
    str(Source.PERSONALIZED): 2,
    str(Source.ONLINE): 3,
    str(Source.SIMILAR): 4,
    str(Source.CONTENT): 5,
    str(Source.SELECTION): 6,
    str(Source.TRENDING): 7,
    str(Source.NEWEST): 8,
    str(Source.EXPLORATION): 9,
    str(Source.DEFAULT): 10,
}
_PLACEMENT_OF = {code: name for name, code in _PLACEMENTS.items()}
_SOURCE_OF = {code: name for name, code in _SOURCES.items()}

_FORMAT = 1
_HEADER = struct.Struct("<BBHQ")
_HASH, _EXPLORED, _SOURCE = 0xFFFFFF00, 0x80, 0x7F
_STEPS_PER_HALF = 16  # propensities are kept to 2 %, down to 1 in 63,000

_UUID7 = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_TOKEN = re.compile(rf"({_UUID7})\.([A-Za-z0-9_-]+)", re.ASCII)
_TO_URL, _FROM_URL = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an item was shown and what had put it there; `propensity` is that of an explored item."""

    placement: str
    source: str
    version: int
    propensity: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a token says."""

    made_at_ms: int
    placement: str
    version: int
    items: Mapping[int, tuple[str, float | None]]  # hash of the item id -> source, propensity; in order

    def origin(self, item_id: str) -> Origin | None:
        """Of an item of this answer; None for any other."""
        found = self.items.get(_hash(item_id))
        return None if found is None else Origin(self.placement, found[0], self.version, found[1])

    def rank(self, item_id: str) -> int | None:
        """Place of an item of this answer, from 1; None for any other."""
        wanted = _hash(item_id)
        return next((place for place, found in enumerate(self.items, 1) if found == wanted), None)


def make(
    answer_id: str,
    placement: str,
    version: int,
    item_ids: Sequence[str],
    sources: Iterable[str],
    propensities: Mapping[str, float] | None = None,
) -> str:
    """The token of an answer.

    Args:
        answer_id: a UUID of version 7, the answer's own.
        version: generation of the published tables.
        item_ids: at most `MOST_ITEMS`.
        propensities: by item id, above 0 and up to 1: the probability with which an explored item came to be shown.

    Raises:
        KeyError: a placement or source without a code.
    """
    entries = [crc32(item.encode()) & _HASH | _SOURCES[source] for item, source in zip(item_ids, sources, strict=True)]
    explored = b""
    if propensities:
        for place, item_id in enumerate(item_ids):
            if item_id in propensities:
                entries[place] |= _EXPLORED
                explored += _quantised(propensities[item_id])
    count = len(entries)
    header = _HEADER.pack(_FORMAT, _PLACEMENTS[placement], count, version)
    body = header + struct.pack(f"<{count}I", *entries) + explored
    return f"{answer_id}.{b2a_base64(body, newline=False).translate(_TO_URL, b'=').decode()}"


def read(token: str) -> Answer | None:
    """What `make` was told; None for anything else, such as an id from before there were tokens."""
    match = _TOKEN.fullmatch(token) if len(token) <= LONGEST else None
    if match is None:
        return None
    text = match[2].encode().translate(_FROM_URL)
    try:
        body = a2b_base64(text + b"=" * (-len(text) % 4))
        kind, placement, count, version = _HEADER.unpack_from(body)
        entries = struct.unpack_from(f"<{count}I", body, _HEADER.size)
        propensities = body[_HEADER.size + 4 * count :]
        if kind != _FORMAT or len(propensities) != sum(entry & _EXPLORED != 0 for entry in entries):
            return None
        remaining = iter(propensities)
        items = {
            entry & _HASH: (_SOURCE_OF[entry & _SOURCE], _propensity(next(remaining)) if entry & _EXPLORED else None)
            for entry in entries
        }
        return Answer(int(match[1].replace("-", "")[:12], 16), _PLACEMENT_OF[placement], version, items)
    except (Base64Error, struct.error, KeyError):
        return None


def _hash(item_id: str) -> int:
    return crc32(item_id.encode("utf-8", "surrogatepass")) & _HASH


def _quantised(propensity: float) -> bytes:
    return bytes([min(255, round(-math.log2(propensity) * _STEPS_PER_HALF))])


def _propensity(step: int) -> float:
    return float(2.0 ** (-step / _STEPS_PER_HALF))

"""Types that several domains share."""

import random
import time
from typing import Annotated

from fastapi import Path, Query
from pydantic import StringConstraints

# Control characters are refused because Postgres cannot keep NUL in a text.
PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=PRINTABLE)]
# Ids with commas between, as a query parameter; longer lists go into a body.
IdList = Annotated[str, StringConstraints(min_length=1, max_length=26_000, pattern=PRINTABLE)]

UserPath = Annotated[Identifier, Path(description="The shop's id of the user.", examples=["257597"])]
ItemPath = Annotated[Identifier, Path(description="The shop's id of the item.", examples=["187946"])]
Limit = Annotated[int, Query(ge=1, le=100, description="How many items.")]


def unique_id() -> str:
    """A UUID of version 7 (RFC 9562): sortable by time, 74 random bits.

    `random` is seeded by the system for each process; these ids need to be unique, not secret.
    """
    bits = random.getrandbits(74)
    milliseconds = time.time_ns() // 1_000_000
    # One operation: several f-strings take twice the time, on every request's path.
    return "%08x-%04x-7%03x-%04x-%012x" % (  # noqa: UP031
        milliseconds >> 16,
        milliseconds & 0xFFFF,
        bits >> 48 & 0xFFF,
        0x8000 | bits >> 60 & 0x3FFF,
        bits & 0xFFFFFFFFFFFF,
    )

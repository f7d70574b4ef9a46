"""Ids of contracts that count in whole numbers: here they are texts, as everywhere."""

import re
from typing import Annotated

from pydantic import Field

from fast_api_service.schemas import Identifier

# JavaScript counts so far.
Id = Annotated[int, Field(ge=0, le=2**53 - 1, strict=True)] | Identifier

_NUMBER = re.compile(r"0|[1-9][0-9]{0,14}|[1-8][0-9]{15}", re.ASCII)


def given_id(value: int | str) -> str:
    """An id as it is kept."""
    return str(value)


def shown_id(value: str) -> int | str:
    """An id as the contract shows it: a number, if it is one."""
    return int(value) if _NUMBER.fullmatch(value) else value

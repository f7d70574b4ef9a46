"""Putting lists together: pure functions over picks, without duplicates and never shorter than the lists allow."""

from collections.abc import Container, Iterable, Iterator
from itertools import zip_longest
from typing import NamedTuple


class Pick(NamedTuple):
    """An item that may be shown, with where it came from and why."""

    item_id: str
    score: float
    source: str
    reason: str
    based_on: str | None


def alternate(first: Iterable[Pick], second: Iterable[Pick]) -> Iterator[Pick]:
    """One of `first`, one of `second`, and so on; when one ends the other goes on alone."""
    for pair in zip_longest(first, second):
        for pick in pair:
            if pick is not None:
                yield pick


def visible(picks: Iterable[Pick], *hidden: Container[str]) -> Iterator[Pick]:
    """The picks whose items are in none of the `hidden` sets."""
    for pick in picks:
        item_id = pick[0]
        for items in hidden:
            if item_id in items:
                break
        else:
            yield pick


def take(picks: Iterable[Pick], limit: int) -> list[Pick]:
    """The first `limit` picks with different items."""
    taken: list[Pick] = []
    if limit <= 0:
        return taken
    seen: set[str] = set()
    for pick in picks:
        item_id = pick[0]
        if item_id not in seen:
            seen.add(item_id)
            taken.append(pick)
            if len(taken) == limit:
                break
    return taken

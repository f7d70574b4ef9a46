"""Putting lists together: pure functions over picks, without duplicates and never shorter than the lists allow."""

from collections.abc import Container, Iterable, Iterator
from itertools import chain, islice, repeat, zip_longest

from recsys.publishing.codec import RecommendationList

# item id, score, source, reason, what the reason is based on. A plain tuple, because `zip` makes those fastest.
Pick = tuple[str, float, str, str, str | None]


def decoded(
    found: RecommendationList, limit: int | None, source: str, reason: str, based_on: str | None = None
) -> Iterator[Pick]:
    """The first `limit` picks of a stored list, or all; its own reasons and `based_on` win over the ones given."""
    return zip(
        found.items(limit),
        found.scores(limit) or repeat(0.0),
        repeat(source),
        found.reasons(limit) or repeat(reason),
        found.based_on(limit) or repeat(based_on),
        strict=False,
    )


def listed(
    found: RecommendationList | None, head: int, source: str, reason: str, based_on: str | None = None
) -> Iterable[Pick]:
    """The picks of a stored list.

    Args:
        head: how many are wanted in all likelihood; the rest is decoded only when it is asked for.
    """
    if found is None:
        return ()
    if len(found) <= head:
        return decoded(found, None, source, reason, based_on)

    def rest() -> Iterator[Pick]:
        yield from islice(decoded(found, None, source, reason, based_on), head, None)

    return chain(decoded(found, head, source, reason, based_on), rest())


def visible(picks: Iterable[Pick], *hidden: Container[str]) -> Iterator[Pick]:
    """The picks whose items are in none of the `hidden` sets."""
    return (pick for pick in picks if not any(pick[0] in items for items in hidden))


def alternate(first: Iterable[Pick], second: Iterable[Pick]) -> Iterator[Pick]:
    """One of `first`, one of `second`, and so on; when one ends the other goes on alone."""
    for pair in zip_longest(first, second):
        for pick in pair:
            if pick is not None:
                yield pick


def take(picks: Iterable[Pick], limit: int, bought: Iterable[str] = (), unavailable: Container[str] = ()) -> list[Pick]:
    """The first `limit` picks with different items, none of them bought or unavailable."""
    taken: list[Pick] = []
    if limit <= 0:
        return taken
    not_again = set(bought)
    for pick in picks:
        item_id = pick[0]
        if item_id in not_again or item_id in unavailable:
            continue
        not_again.add(item_id)
        taken.append(pick)
        if len(taken) == limit:
            break
    return taken

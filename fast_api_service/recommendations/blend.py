"""Putting lists together: pure functions over picks, without duplicates and never shorter than the lists allow."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat

from recsys.placements.ruleset import EXCLUDED
from recsys.publishing.codec import RecommendationList

# item id, score, source, reason, what the reason is based on. A plain tuple, because `zip` makes those fastest.
Pick = tuple[str, float, str, str, str | None]

PLACES_A_STEP_BACK = 10  # at the greatest diversity


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


def weave(first: Iterable[Pick], second: Iterable[Pick], share: float) -> Iterator[Pick]:
    """Of every place `share` goes to `second`, as evenly as can be; when one ends the other goes on alone."""
    others, due = iter(second), 0.0
    for pick in first:
        due += share
        yield pick
        # So many places of `second` belong to one of `first`.
        while due >= 1 - share - 1e-9:
            due -= 1 - share
            other = next(others, None)
            if other is None:
                due = float("-inf")
            else:
                yield other
    yield from others


def take(
    picks: Iterable[Pick],
    limit: int,
    unavailable: Container[str] = (),
    not_again: Container[str] = (),
    again: Callable[[str], bool] = lambda _: False,
    effects: Mapping[str, float] | None = None,
    members: Container[str] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> list[Pick]:
    """The first `limit` picks with different items that may be shown.

    Args:
        unavailable, not_again: items that may not be.
        again: whether one of the latter may be shown all the same.
        effects: of rules, which may exclude items.
        members: the only items that may be shown; None: any.
        sizes: of sources that may give only so many.
    """
    taken: list[Pick] = []
    if limit <= 0:
        return taken
    left = dict(sizes) if sizes else {}
    seen: set[str] = set()
    for pick in picks:
        item_id = pick[0]
        if (
            item_id in seen
            or item_id in unavailable
            or (effects is not None and effects[item_id] == EXCLUDED)
            or (item_id in not_again and not again(item_id))
            or (members is not None and item_id not in members)
        ):
            continue
        if left:
            if left.get(pick[2], 1) < 1:
                continue
            if pick[2] in left:
                left[pick[2]] -= 1
        seen.add(item_id)
        taken.append(pick)
        if len(taken) == limit:
            break
    return taken


def spread(
    picks: Sequence[Pick], category: Callable[[str], str | None], diversity: float, cap: int | None
) -> list[Pick]:
    """The picks in an order that does not show one category over and over.

    Each item steps back `diversity` · 10 places for each better one of its category; those beyond the first `cap` of
    their category come after all others. Items without a category are of none.
    """
    better: dict[str, int] = defaultdict(int)
    moved = []
    for place, pick in enumerate(picks):
        of = category(pick[0])
        before = better[of] if of is not None else 0
        if of is not None:
            better[of] += 1
        beyond = cap is not None and before >= cap
        moved.append((beyond, place + PLACES_A_STEP_BACK * diversity * before, place))
    return [picks[place] for _, _, place in sorted(moved)]

"""How a shopper's recent history becomes recommendations: one formula for the batch step and for the service.

    score(j) = sum over items i of the history of weight(i) · similarity(i, j)
             - sum over disliked items d of similarity(d, j)

An item whose score falls to 0 does not come out. The similarities are the rows of the `similar_items` table; a row's
entries with score 0, which only fill the list, do not count. The service calls this per request, so nothing here is
heavier than a dictionary.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

POSITION_DECAY = 0.7
MS_PER_DAY = 86_400_000


class Scored(NamedTuple):
    """A recommended item and the item of the history that contributed most."""

    item_id: str
    score: float
    based_on: str


def history_weight(position: int, age_days: float, half_life_days: float) -> float:
    """Weight of a history item: it falls with every newer item and with time.

    Args:
        position: how many moments of the history are newer; what came at one moment, as a basket does, counts alike.
        age_days: time since the newest event of the history, not since now: exponential decay makes the difference a
            constant factor, which changes no order, and lists stay the same while the shopper is away.
    """
    return float(POSITION_DECAY**position * 0.5 ** (age_days / half_life_days))


def recommend_from_history(
    history: Sequence[tuple[str, int]],
    similar: Callable[[str], Iterable[tuple[str, float]]],
    k: int,
    *,
    half_life_days: float,
    exclude: Collection[str] = (),
    disliked: Iterable[str] = (),
) -> list[Scored]:
    """The best `k` items for one shopper, best first; ties in order of item id.

    Args:
        history: item id and time in milliseconds, newest first, each item once, already cut to the length that counts.
        similar: the neighbours of an item with their scores; nothing for an unknown item.
        exclude: items that must not come out.
        disliked: items that push away what is like them, each as much as the newest item of the history draws.
    """
    totals: dict[str, float] = {}
    largest: dict[str, tuple[float, str]] = {}
    position = 0
    for place, (item_id, timestamp_ms) in enumerate(history):
        if place and timestamp_ms != history[place - 1][1]:
            position += 1
        age_days = (history[0][1] - timestamp_ms) / MS_PER_DAY
        weight = history_weight(position, age_days, half_life_days)
        for neighbour, score in similar(item_id):
            if score <= 0 or neighbour in exclude:
                continue
            contribution = weight * score
            totals[neighbour] = totals.get(neighbour, 0.0) + contribution
            if neighbour not in largest or contribution > largest[neighbour][0]:
                largest[neighbour] = (contribution, item_id)
    for item_id in disliked:
        for neighbour, score in similar(item_id):
            if neighbour in totals:
                totals[neighbour] -= score
                if totals[neighbour] <= 0:
                    del totals[neighbour]
    best = sorted(totals.items(), key=lambda pair: (-pair[1], pair[0]))[:k]
    return [Scored(item_id, score, largest[item_id][1]) for item_id, score in best]

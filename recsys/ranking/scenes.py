"""Candidates with their features, some users at a time, so that memory depends on a setting and not on the shop."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recsys.ranking.candidates import Candidates, join_candidates
from recsys.ranking.facts import ItemFacts, UserFacts
from recsys.ranking.features import feature_matrix
from recsys.ranking.sources import ListSource
from recsys.settings import RankerSettings

# What a candidate costs at its peak: its features, its ids as text, and the copies made while sorting and joining.
_BYTES_PER_CANDIDATE = 500


@dataclass(frozen=True)
class Scene:
    """Some users, what could be shown to them, and what the ranker is told about it.

    Attributes:
        features: names of the columns of `matrix`.
        matrix: float32, a row a candidate.
    """

    candidates: Candidates
    features: list[str]
    matrix: np.ndarray


def scenes(items: ItemFacts, users: UserFacts, source: ListSource, settings: RankerSettings) -> Iterator[Scene]:
    """All users in order of code; what a user has bought and what is not available is left out."""
    per_user = 2 * settings.candidates_per_source + settings.default_candidates
    step = max(1, settings.max_memory_mb * 1_000_000 // (per_user * _BYTES_PER_CANDIDATE))
    for low in range(0, len(users.users), step):
        codes = np.arange(low, min(low + step, len(users.users)))
        facts = users.chunk(low, low + len(codes))
        joined = join_candidates(
            source.lists(users.users.names(codes)),
            users.users,
            items.items,
            everyone=codes,
            per_source=settings.candidates_per_source,
        )
        candidates = joined.take(items.available[joined.items] & ~np.isin(joined.pairs, facts.purchased))
        if len(candidates):
            yield Scene(candidates, *feature_matrix(candidates, items, facts))

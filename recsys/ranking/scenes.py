"""Candidates with their features, some users at a time, so that memory depends on a setting and not on the shop."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from recsys.ranking.candidates import Candidates, join_candidates, pair_codes
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
    per_user = 2 * settings.candidates_per_source + settings.default_candidates + settings.dealt_candidates
    deck = _deck(items, settings.seed)
    step = max(1, settings.max_memory_mb * 1_000_000 // (per_user * _BYTES_PER_CANDIDATE))
    for low in range(0, len(users.users), step):
        codes = np.arange(low, min(low + step, len(users.users)))
        facts, names = users.chunk(low, low + len(codes)), users.users.names(codes)
        joined = join_candidates(
            source.lists(names),
            users.users,
            items.items,
            everyone=codes,
            per_source=settings.candidates_per_source,
            dealt=_deal(deck, names, codes, settings.dealt_candidates, len(items.items)),
        )
        candidates = joined.take(items.available[joined.items] & ~np.isin(joined.pairs, facts.purchased))
        if len(candidates):
            yield Scene(candidates, *feature_matrix(candidates, items, facts))


def _deck(items: ItemFacts, seed: int) -> np.ndarray:
    """All items that can be had, shuffled anew each day."""
    random = np.random.default_rng((seed, items.now.toordinal()))
    return random.permutation(np.flatnonzero(items.available))


def _deal(deck: np.ndarray, user_ids: pl.Series, codes: np.ndarray, each: int, size: int) -> np.ndarray:
    """Pair codes of some items for each user: sources never name a good part of a catalogue.

    A user's cards follow one another from a place that goes by the user's id alone, whoever else is there.
    """
    each = min(each, len(deck))
    start = (user_ids.hash() % max(1, len(deck))).to_numpy().astype(np.int64)
    turns = (start[:, None] + np.arange(each)).ravel()
    return pair_codes(np.repeat(codes, each), deck[turns % max(1, len(deck))], size)

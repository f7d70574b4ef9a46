"""What the ranker learns from: candidates of the past, and whether the user acted on them afterwards."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from recsys.errors import BadInputError
from recsys.models.id_map import UNKNOWN
from recsys.ranking.candidates import pair_codes
from recsys.ranking.replay import Replay
from recsys.schema import Columns
from recsys.settings import RankerSettings


@dataclass(frozen=True)
class Examples:
    """Rows for `Ranker.fit`.

    Attributes:
        features: names of the columns of `matrix`.
        ratings: of what the user did to the candidate in the target window; 0 for nothing.
        until: the end of the newest target window: nothing later was learned from.
    """

    features: list[str]
    matrix: np.ndarray
    ratings: np.ndarray
    until: datetime

    @property
    def labels(self) -> np.ndarray:
        """1 for candidates acted on, else 0."""
        return (self.ratings > 0).astype(np.int8)

    @property
    def weights(self) -> np.ndarray:
        """log2(1 + rating) for candidates acted on, which is 1 for a view; 1 for the others."""
        return np.where(self.ratings > 0, np.log2(1 + self.ratings), 1).astype(np.float32)


def examples(replays: Iterable[Replay], settings: RankerSettings) -> Examples:
    """Label candidates and sample those not acted on; the same seed and data give the same rows.

    Users who acted on none of their candidates are left out: their rows say nothing about what to put first.

    Args:
        replays: taken one after the other until they hold `enough_users`; small shops need several.

    Raises:
        BadInputError: nobody acted on any candidate.
    """
    random = np.random.default_rng(settings.seed)
    features: list[str] = []
    matrices, ratings, users = [], [], 0
    ends = []
    for replay in replays:
        ends.append(replay.end)
        pairs, acted_on = _truth(replay)
        for scene in replay.scenes():
            features = scene.features
            rating = np.zeros(len(scene.candidates), np.float32)
            hit, place = np.intersect1d(scene.candidates.pairs, pairs, assume_unique=True, return_indices=True)[1:]
            rating[hit] = acted_on[place]
            kept = _sample(scene.candidates.users, rating > 0, settings.negatives_per_positive, random)
            matrices.append(scene.matrix[kept])
            ratings.append(rating[kept])
        users += len(replay.users)
        if users >= settings.enough_users:
            break
    if not any(map(len, ratings)):
        raise BadInputError(
            "Nobody acted on any of their candidates in the target window, so there is nothing to learn from.",
            remedy="Load more events, or raise ranker.target_days or ranker.candidates_per_source.",
        )
    matrix, rating = np.concatenate(matrices), np.concatenate(ratings)
    if len(rating) > settings.max_train_rows:
        chosen = np.sort(random.choice(len(rating), settings.max_train_rows, replace=False))
        matrix, rating = matrix[chosen], rating[chosen]
    return Examples(features, matrix, rating, max(ends))


def _truth(replay: Replay) -> tuple[np.ndarray, np.ndarray]:
    """What users did: pair codes and ratings. Items unknown at the start cannot have been candidates."""
    user, item = replay.users.codes(replay.truth[Columns.USER]), replay.items.items.codes(replay.truth[Columns.ITEM])
    known = item != UNKNOWN
    pairs = pair_codes(user[known], item[known], len(replay.items.items))
    return pairs, replay.truth[Columns.RATING].to_numpy()[known]


def _sample(users: np.ndarray, acted: np.ndarray, negatives: int, random: np.random.Generator) -> np.ndarray:
    """Sorted positions of all rows acted on, and per user at most `negatives` times as many others."""
    positives = np.bincount(users[acted], minlength=int(users[-1]) + 1)
    others = np.flatnonzero(~acted)
    shuffled = others[np.lexsort((random.random(len(others)), users[others]))]
    owners = users[shuffled]
    place = np.arange(len(owners)) - np.searchsorted(owners, owners)
    return np.sort(np.concatenate([np.flatnonzero(acted), shuffled[place < positives[owners] * negatives]]))

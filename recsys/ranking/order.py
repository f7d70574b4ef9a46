"""The order in which candidates are shown: by score, but not all of one category, and not the same for everybody.

*Diversity* is maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998) with likeness counted in earlier items of
the same category. The greedy choice then needs no loop: within a category items are taken by score, the j-th is worth
its score minus j times the strength, whatever the other categories hold, and one sort finds the list.

*Discovery* gives the last place of the first ten to the candidate that few others are shown: one place for everybody
together is enough to show most of the catalogue.
"""

from itertools import pairwise

import numpy as np

from recsys.models.id_map import UNKNOWN
from recsys.models.neighbours import places
from recsys.ranking.candidates import Candidates, best_of_each, order_within
from recsys.ranking.facts import ItemFacts
from recsys.settings import RankerSettings

# The place (from 0) that discovery fills: the last of what a page shows.
DISCOVERY_PLACE = 9
# Users whose discoveries are chosen at once, before what they are shown counts for the next ones.
_USERS_AT_ONCE = 256


class ListOrder:
    """Orders the candidates of one user after another and remembers what has been shown."""

    def __init__(self, items: ItemFacts, settings: RankerSettings) -> None:
        self._categories, self._settings = items.categories[0], settings
        self._shown = np.zeros(len(items.items), np.float32)

    def best(self, candidates: Candidates, scores: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The `size` items to show each user: positions by user and place, ranks from 1, and scores that never rise.

        Args:
            scores: one a candidate, higher is better.
        """
        cap, strength = self._settings.category_cap, self._settings.diversity
        best, ranks = best_of_each(candidates.users, scores, size)
        worth = scores[best]
        if strength or cap is not None:
            users = candidates.users[best]
            place = self._place_in_category(candidates, best)
            worth = worth - np.float32(strength) * place
            surplus = place >= cap if cap is not None else np.zeros(len(best), bool)
            order = order_within(2 * users.astype(np.int64) + surplus, worth)
            best, worth = best[order], worth[order]
        if self._settings.discovery:
            best, worth = self._discover(candidates.users[best], candidates.items[best], ranks, best, worth)
        # A place is worth what the items of the list are worth, best first, whichever of them it shows.
        return best, ranks, worth[order_within(candidates.users[best], worth)]

    def _place_in_category(self, candidates: Candidates, best: np.ndarray) -> np.ndarray:
        """How many better items of the same category the same user has; 0 where no category is known."""
        category = self._categories[candidates.items[best]].astype(np.int64)
        known = np.flatnonzero(category != UNKNOWN)
        key = (candidates.users[best[known]].astype(np.int64) << 32) | category[known]
        order = np.argsort(key, kind="stable")
        place = np.zeros(len(best), np.float32)
        place[known[order]] = places(key[order])
        return place

    def _discover(
        self, users: np.ndarray, items: np.ndarray, ranks: np.ndarray, best: np.ndarray, worth: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Swap the candidate that few were shown into `DISCOVERY_PLACE`; the others keep their order."""
        place = ranks.astype(np.int64) - 1
        key = 2 * place
        starts = np.flatnonzero(place == 0)
        bounds = [*starts[::_USERS_AT_ONCE], len(best)]
        for low, high in pairwise(bounds):
            part = slice(low, high)
            np.add.at(self._shown, items[part][place[part] < DISCOVERY_PLACE], 1)
            eligible = np.flatnonzero(place[part] >= DISCOVERY_PLACE) + low
            value = worth[eligible] - self._settings.discovery * np.log1p(self._shown[items[eligible]])
            order = eligible[order_within(users[eligible], value)]
            chosen = order[np.flatnonzero(np.diff(users[order], prepend=-1))]
            key[chosen] = 2 * DISCOVERY_PLACE - 1
            np.add.at(self._shown, items[chosen], 1)
        order = np.argsort((users.astype(np.int64) << 32) | key, kind="stable")
        return best[order], worth[order]

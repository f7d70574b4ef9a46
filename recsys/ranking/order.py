"""The order in which candidates are shown: by score, but not all of one category, and not the same for everybody.

*Diversity* is maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998) with likeness counted in earlier items of
the same category. The greedy choice then needs no loop: within a category items are taken by score, the j-th is worth
its score minus j times the strength, whatever the other categories hold, and one sort finds the list.

*Discovery* gives last places of the first ten to items that nobody is shown there. As in recommending users to items
(Vargas & Castells, RecSys 2014) each such item looks for the list in which it costs least, and not each list for an
item: lists in which the displaced item would have been acted on stay as they are.
"""

import numpy as np

from recsys.models.id_map import UNKNOWN
from recsys.models.neighbours import places
from recsys.ranking.candidates import Candidates, best_of_each, order_within
from recsys.ranking.facts import ItemFacts
from recsys.settings import RankerSettings

# What a page shows, and how many of its places, the last ones, a list gives away at most.
PAGE, GIVEN_AWAY = 10, 3


class ListOrder:
    """Orders the candidates of one user after another and remembers what has been shown."""

    def __init__(self, items: ItemFacts, settings: RankerSettings) -> None:
        self._categories, self._settings = items.categories[0], settings
        self._shown = np.zeros(len(items.items), bool)
        self._left = 0.0

    def best(self, candidates: Candidates, scores: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The `size` items to show each user: positions by user and place, ranks from 1, and scores that never rise.

        What nobody is shown and what no source has is looked for among as many users as are given at once.

        Args:
            scores: one a candidate, higher is better.
        """
        cap, strength = self._settings.category_cap, self._settings.diversity
        best, ranks = best_of_each(candidates.users, scores, len(candidates))
        kept = ranks <= size
        if self._settings.discovery:
            kept |= candidates.without_source()[best]
        best = best[kept]
        users, worth = candidates.users[best], scores[best]
        if strength or cap is not None:
            place = self._place_in_category(candidates, best)
            worth = worth - np.float32(strength) * place
            surplus = place >= cap if cap is not None else np.zeros(len(best), bool)
            order = order_within(2 * users.astype(np.int64) + surplus, worth)
            best, worth = best[order], worth[order]
        place = places(users)
        if self._settings.discovery:
            order = self._discover(users, candidates.items[best], place, worth)
            best, worth = best[order], worth[order]
        best, users, worth, place = (values[place < size] for values in (best, users, worth, place))
        # A place is worth what the items of the list are worth, best first, whichever of them it shows.
        return best, (place + 1).astype(np.uint32), worth[order_within(users, worth)]

    def _place_in_category(self, candidates: Candidates, best: np.ndarray) -> np.ndarray:
        """How many better items of the same category the same user has; 0 where no category is known."""
        category = self._categories[candidates.items[best]].astype(np.int64)
        known = np.flatnonzero(category != UNKNOWN)
        key = (candidates.users[best[known]].astype(np.int64) << 32) | category[known]
        order = np.argsort(key, kind="stable")
        place = np.zeros(len(best), np.float32)
        place[known[order]] = places(key[order])
        return place

    def _discover(self, users: np.ndarray, items: np.ndarray, place: np.ndarray, worth: np.ndarray) -> np.ndarray:
        """The order of the rows once some items have been moved up; the others of a list keep theirs.

        Rounds of offers: every item not shown yet offers itself to the list where it costs least, every list takes the
        cheapest offer, until nothing is left to offer, to take, or to spend.
        """
        row, lists = np.cumsum(place == 0) - 1, int((place == 0).sum())
        chance = 1 / (1 + np.exp(-worth.astype(np.float64)))
        paged = place < PAGE
        self._shown[items[paged]] = True
        displaced = np.full((lists, PAGE), np.inf)
        displaced[row[paged], place[paged]] = chance[paged]
        given_away = np.zeros(lists, np.int64)
        moved = np.zeros(len(row), bool)
        self._left += self._settings.discovery * lists
        offers = np.flatnonzero(~paged & ~self._shown[items])
        while len(offers) and self._left >= 1:
            cost = displaced[row[offers], PAGE - 1 - given_away[row[offers]]] - chance[offers]
            offers = offers[np.argsort(cost, kind="stable")]
            taken = _first(offers, items)
            taken = _first(taken, row)[: int(self._left)]
            given_away[row[taken]] += 1
            moved[taken] = True
            self._shown[items[taken]] = True
            self._left -= len(taken)
            offers = offers[~self._shown[items[offers]] & (given_away[row[offers]] < GIVEN_AWAY)]
        # What was moved stands between what keeps its place and what has lost it.
        key = np.where(moved, 2 * (PAGE - given_away[row]) - 1, 2 * place)
        return np.argsort((users.astype(np.int64) << 32) | key, kind="stable")


def _first(positions: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Of the positions in each group the first, in the order they come in."""
    return positions[np.sort(np.unique(groups[positions], return_index=True)[1])]

"""All items of a category and those below it, popular ones first."""

from collections.abc import Iterable

from recsys.placements.decisions import Decisions
from recsys.publishing.item_facts import ItemFacts
from recsys.publishing.snapshot import Snapshot
from recsys.schema import RecommendationTable

DEFAULT = str(RecommendationTable.DEFAULT)
MOST_CATEGORIES = 64


class Members:
    """A category's items; `in_order` holds each once."""

    __slots__ = ("_set", "in_order")

    def __init__(self, items: Iterable[str]) -> None:
        self.in_order = tuple(dict.fromkeys(items))
        self._set = frozenset(self.in_order)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._set

    def __len__(self) -> int:
        return len(self.in_order)


class Categories:
    """Members by category, kept until the lists, the tree or any item's facts change."""

    def __init__(self, decisions: Decisions, facts: ItemFacts) -> None:
        self._decisions, self._facts = decisions, facts
        self._known: dict[str, Members | None] = {}
        self._made_of: Snapshot | None = None

    def forget(self) -> None:
        """The tree or facts changed."""
        self._known.clear()

    def members(self, snapshot: Snapshot, category_id: str) -> Members | None:
        """A category's items; None for a category that has none and is not in the tree either."""
        if snapshot is not self._made_of or len(self._known) >= MOST_CATEGORIES:
            self._known.clear()
            self._made_of = snapshot
        if category_id not in self._known:
            self._known[category_id] = self._members(snapshot, category_id)
        return self._known[category_id]

    def _members(self, snapshot: Snapshot, category_id: str) -> Members | None:
        below = self._decisions.tree.below(category_id)
        found = self._facts.of_categories(below)
        if not found and category_id not in self._decisions.tree:
            return None
        belong = set(found)
        popular = [item for each in below if (listed := snapshot.get(DEFAULT, each)) for item in listed.items()]
        return Members((*(item for item in popular if item in belong), *found))

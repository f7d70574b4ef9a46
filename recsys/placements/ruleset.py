"""The rules in force at one placement, ready for requests: what they do to an item is worked out once.

Fifty rules times fifty items would cost a request more than all the rest. So an item's effect is kept until a rule, a
time window or a fact of the item changes, and a request looks it up as it looks up anything else.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import compress, count
from operator import add
from typing import Any, Final, TypeVar

from recsys.placements.categories import CategoryTree
from recsys.placements.rules import Action, Rule
from recsys.publishing.item_facts import Facts

# How far down an item moves (up, when below 0). Half a place is added, so that an item moved to another's place comes
# before it, or after it, when moved down.
Effect = float
EXCLUDED: Final = math.inf
_MOST_EFFECTS = 50_000

Pick = TypeVar("Pick", bound=tuple[Any, ...])  # an item's id, and whatever else a caller knows of it


class Effects(dict[str, Effect]):
    """Effect by item id, worked out when first looked up; bounded."""

    def __init__(self, work_out: Callable[[str], Effect]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, item_id: str) -> Effect:
        if len(self) >= _MOST_EFFECTS:
            self.clear()
        effect = self[item_id] = self._work_out(item_id)
        return effect

    def excluded(self, item_ids: Sequence[str]) -> set[str]:
        """Those of the items that may not be shown; a request asks this of a whole list at once."""
        return set(compress(item_ids, map(math.isinf, map(self.__getitem__, item_ids))))


class RuleSet:
    """What the rules of one placement do.

    Attributes:
        effects: by item id. Pinned items count as excluded: they have no place but that which they are pinned to.
        pins: rank (from 1) → item id, in order of rank; items that other rules exclude are not among them.
        candidates: items that may come to be pinned; when their facts change, a new rule set has to be made.
        lookahead: how many items beyond an answer's end may still come into it.
    """

    def __init__(self, rules: Iterable[Rule], lookup: Callable[[str], Facts | None], tree: CategoryTree) -> None:
        """`rules` are those in force; `lookup` gives an item's facts."""
        self._lookup, self._tree = lookup, tree
        self.rules = tuple(rules)
        self._excludes = self._of(Action.EXCLUDE)
        self._includes = self._of(Action.INCLUDE_ONLY)
        self._moves = [
            (rule, -rule.places if rule.action is Action.BOOST else rule.places)
            for rule in self.rules
            if rule.places is not None
        ]
        steps = [step for _, step in self._moves]
        self.lookahead = max(0, *steps, 0) - min(0, *steps, 0)
        self.effects = Effects(self._effect)
        self.candidates = frozenset(rule.conditions.item_ids[0] for rule in self._of(Action.PIN))
        self.pins = self._pins()
        self._pinned = frozenset(self.pins.values())

    def __bool__(self) -> bool:
        return bool(self.rules)

    @property
    def narrows(self) -> bool:
        """Whether only some items may be shown at all."""
        return bool(self._includes)

    def forget(self, item_ids: Iterable[str]) -> None:
        """The facts of these items, none of them one of `candidates`, changed."""
        for item_id in item_ids:
            self.effects.pop(item_id, None)

    def arrange(self, picks: Sequence[Pick], limit: int, pinned: Sequence[tuple[int, Pick]] = ()) -> list[Pick]:
        """The first `limit` picks as the rules want them.

        Args:
            picks: best first, different items, none excluded or pinned; `lookahead` more of them than `limit`, if there
                are so many.
            pinned: rank and pick of the pins that may be shown, in order of rank.
        """
        ordered = [picks[place] for place in self.order([pick[0] for pick in picks], limit)]
        return with_pins(ordered, limit, pinned) if pinned else ordered

    def order(self, item_ids: Sequence[str], limit: int) -> Sequence[int]:
        """Where the first `limit` items stand among those given, which are as `arrange` wants them."""
        if not self.lookahead:
            return range(min(limit, len(item_ids)))
        places = list(map(add, map(self.effects.__getitem__, item_ids), count()))
        return sorted(range(len(places)), key=places.__getitem__)[:limit]

    def lets_in(self, item_id: str, facts: Facts | None) -> bool:
        """Whether an item with these facts may be shown."""
        if any(rule.conditions.hold(item_id, facts, self._tree) for rule in self._excludes):
            return False
        return not self._includes or any(rule.conditions.hold(item_id, facts, self._tree) for rule in self._includes)

    def _of(self, action: Action) -> list[Rule]:
        return [rule for rule in self.rules if rule.action is action]

    def _pins(self) -> dict[int, str]:
        pins: dict[int, str] = {}
        for rule in sorted(self._of(Action.PIN), key=lambda rule: rule.position or 0):
            [item_id] = rule.conditions.item_ids
            facts = self._lookup(item_id)
            # Contradictory rules are refused, but may come to meet: the first rank counts, and an exclusion.
            holds = rule.conditions.hold(item_id, facts, self._tree) and self.lets_in(item_id, facts)
            if holds and item_id not in pins.values():
                pins.setdefault(rule.position or 0, item_id)
        return pins

    def _effect(self, item_id: str) -> Effect:
        facts, tree = self._lookup(item_id), self._tree
        if item_id in self._pinned or not self.lets_in(item_id, facts):
            return EXCLUDED
        steps = [step for rule, step in self._moves if rule.conditions.hold(item_id, facts, tree)]
        up, down = min(0, *steps, 0), max(0, *steps, 0)
        return up + down + (0.5 if down else -0.5 if up else 0.0)


def with_pins(picks: Sequence[Pick], limit: int, pinned: Sequence[tuple[int, Pick]]) -> list[Pick]:
    """Picks with each pinned one at its rank, as far as the answer is long enough to have this rank.

    A pin beyond the last item of a short answer fills it up; a pin beyond `limit` belongs to a longer answer.
    """
    within = [each for each in pinned if each[0] <= limit]
    length = min(limit, len(picks) + len(within))
    shown = [*picks[:limit], *(pick for rank, pick in within if rank > length)]
    for rank, pick in within:
        if rank <= length:
            shown.insert(rank - 1, pick)
    return shown[:length]

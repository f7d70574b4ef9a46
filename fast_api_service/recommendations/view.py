"""What one request sees, from beginning to end: one snapshot, one plan, the shopper's past, what is not for showing."""

from collections.abc import Iterable, Iterator, Mapping
from time import perf_counter
from types import MappingProxyType
from typing import NamedTuple

from fast_api_service.recommendations.blend import Pick, decoded, listed, take
from fast_api_service.recommendations.categories import Members
from fast_api_service.state import ServiceState
from recsys.placements.plans import Plan
from recsys.placements.ruleset import EXCLUDED, with_pins
from recsys.publishing.codec import RecommendationList
from recsys.publishing.history import History
from recsys.schema import EventType, Reason, RecommendationTable, SnapshotTable, Source

# Plain strings: an enumeration's members are hashed and serialised in Python, some dozen times a request.
RANKED, PERSONALIZED, I2I = map(
    str, (RecommendationTable.RANKED, RecommendationTable.PERSONALIZED, RecommendationTable.I2I)
)
PURCHASES, DISLIKES = map(str, (SnapshotTable.PURCHASES, SnapshotTable.DISLIKES))
PINNED = str(Source.SELECTION), str(Reason.PICKED_BY_SHOP)

# Picks decoded beyond those asked for, since some will be bought or unavailable: so many, or this share.
SPARE, SPARE_SHARE = 8, 0.75


class Question(NamedTuple):
    """What is asked: by whom, what is on the page, what else rules may go by, and the least share to explore."""

    user_id: str | None = None
    limit: int = 10
    session_id: str | None = None
    item_ids: tuple[str, ...] = ()
    category_id: str | None = None
    exclude: tuple[str, ...] = ()
    context: Mapping[str, str] = MappingProxyType({})
    exploration: float = 0


class View:
    """Made at the beginning of a request; everything it gives is of one state.

    Attributes:
        key: under which the pipeline's lists of this shopper are stored; None for nobody in particular, and for
            somebody whose data were erased since.
        wanted: how many picks are needed to let rules move some of them.
        head: how many entries of a list will do for that in all likelihood.
        members: the items of the category that is asked for, where only these may be shown.
        not_again: what is not to be shown, unless it was only bought and may be `again`.
    """

    def __init__(self, state: ServiceState, question: Question, plan: Plan) -> None:
        self.state, self.question, self.plan, self.started = state, question, plan, perf_counter()
        self.snapshot = snapshot = state.follower.current
        self.wanted = wanted = question.limit + plan.rules.lookahead
        self.head = wanted + max(SPARE, int(wanted * SPARE_SHARE))
        self.members: Members | None = None
        self.unavailable = state.stock.unavailable
        self.histories: list[History] = []
        user_id, session_id = question.user_id, question.session_id
        self.key = user_id if user_id is not None or session_id is None else f"session:{session_id}"
        self.never: list[str] = [*question.item_ids, *question.exclude]
        self.not_again: list[str] = self.never
        if self.key is None:
            return
        dataset = snapshot.dataset or ""
        if user_id is not None and (history := state.recent.user(dataset, user_id)):
            self.histories.append(history)
        if session_id is not None and (history := state.recent.session(dataset, session_id)):
            self.histories.append(history)
        if state.erasures and state.erasures.hides(self.key, (file.published_at for file in snapshot.tables.values())):
            self.key = None
        if self.key is not None and (disliked := snapshot.get(DISLIKES, self.key)):
            self.never = self.never + self._still(disliked.items())
        for history in self.histories:
            self.never = [*self.never, *history.disliked(), *history.cart()]
        self.not_again = self.never
        if self.key is not None and (bought := snapshot.get(PURCHASES, self.key)):
            self.not_again = self.not_again + bought.items()
        for history in self.histories:
            self.not_again = self.not_again + history.purchased()

    def stored(self, table: str) -> RecommendationList | None:
        """The shopper's list in a table."""
        return None if self.key is None else self.snapshot.get(table, self.key)

    def listed(self, table: str, origin: tuple[str, str]) -> Iterator[Pick]:
        """Its picks, looked up when the sources before it are used up."""
        yield from listed(self.stored(table), self.head, *origin)

    def whole(self, table: str, origin: tuple[str, str]) -> list[Pick]:
        """An answer of the shopper's list in a table alone, but for pins; nothing when its beginning is not enough."""
        found = self.stored(table)
        if found is None:
            return []
        # Sets go through all at once, several times as fast as a loop would.
        picks = list(decoded(found, self.head, *origin))
        items = [pick[0] for pick in picks]
        limit, effects = self.question.limit, self.plan.effects
        hidden = self.unavailable.intersection(items)
        hidden.update(item_id for item_id in set(self.not_again).intersection(items) if not self.again(item_id))
        if effects is not None:
            hidden |= effects.excluded(items)
        taken = [pick for pick in picks if pick[0] not in hidden][: self.wanted]
        if len(taken) < self.wanted:
            return []
        if effects is not None:
            taken = [taken[place] for place in self.plan.rules.order([pick[0] for pick in taken], limit)]
        return with_pins(taken, limit, self.pins()) if self.plan.rules.pins else taken

    def take(self, picks: Iterable[Pick], limit: int, sizes: Mapping[str, int] | None = None) -> list[Pick]:
        """The first of the picks that may be shown."""
        not_again = set(self.not_again)
        return take(picks, limit, self.unavailable, not_again, self.again, self.plan.effects, self.members, sizes)

    def again(self, item_id: str) -> bool:
        """Whether an item of `not_again` was only bought, and is of a kind that one buys again and again."""
        if item_id in self.never:
            return False
        facts = self.state.facts.get(item_id)
        return facts is not None and facts.is_repeatable

    def may_show(self, item_id: str) -> bool:
        """Whether nothing speaks against an item."""
        return (
            item_id not in self.unavailable
            and (item_id not in self.not_again or self.again(item_id))
            and self.allows(item_id)
        )

    def allows(self, item_id: str) -> bool:
        """Whether an item belongs here, whatever its stock and the shopper's past."""
        effects = self.plan.effects
        return (effects is None or effects[item_id] != EXCLUDED) and (self.members is None or item_id in self.members)

    def visible(self, picks: Iterable[Pick]) -> Iterator[Pick]:
        """The picks that may be shown."""
        return (pick for pick in picks if self.may_show(pick[0]))

    def pins(self) -> list[tuple[int, Pick]]:
        """Rank and pick of what rules pin and nothing speaks against."""
        return [
            (rank, (item_id, 0.0, *PINNED, None))
            for rank, item_id in self.plan.rules.pins.items()
            if item_id not in self.unavailable
            and (item_id not in self.not_again or self.again(item_id))
            and (self.members is None or item_id in self.members)
        ]

    def interests(self) -> list[tuple[str, int]]:
        """Item and time of what the shopper showed interest in, newest first."""
        found = [history.interests() for history in self.histories]
        return found[0] if len(found) == 1 else sorted((e for each in found for e in each), key=lambda e: -e[1])

    def cart(self) -> list[str]:
        """What is in the shopper's cart."""
        return [item_id for history in self.histories for item_id in history.cart()]

    def disliked(self) -> list[str]:
        """What the shopper disliked lately."""
        return [item_id for history in self.histories for item_id in history.disliked()]

    def knows_the_shopper(self) -> bool:
        """Whether anything at all is known of who asks."""
        return bool(self.histories) or any(self.stored(table) for table in (RANKED, PERSONALIZED, I2I, PURCHASES))

    def _still(self, disliked: list[str]) -> list[str]:
        """Without what was liked since."""
        liked = {
            event.item_id
            for history in self.histories
            for event in history.events()
            if event.event_type == EventType.LIKE
        }
        return [item_id for item_id in disliked if item_id not in liked]

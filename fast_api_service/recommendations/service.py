"""Answers: for a placement what its plan says, and lists that have an address of their own."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from time import perf_counter
from typing import Any

import orjson

from fast_api_service import metrics
from fast_api_service.problems import ProblemError
from fast_api_service.recommendations.blend import Pick, listed
from fast_api_service.recommendations.cascade import compose
from fast_api_service.recommendations.sources import (
    DEFAULT,
    FROM_CATEGORY,
    FROM_PERSONALIZED,
    FROM_RANKED,
    FROM_SHOP,
    SIMILAR,
    content,
    neighbours,
    online,
    popular,
    viewed,
)
from fast_api_service.recommendations.view import PERSONALIZED, RANKED, Question, View
from fast_api_service.schemas import unique_id
from fast_api_service.state import ServiceState
from recsys.placements import token
from recsys.placements.categories import CategoryTree
from recsys.placements.configuration import DEFAULTS
from recsys.placements.plans import Plan
from recsys.placements.rules import Rule
from recsys.placements.ruleset import RuleSet
from recsys.schema import Placement

DEFAULT_SOURCE = FROM_SHOP[0]
CATEGORY = str(Placement.CATEGORY)
# Sources whose silence, where items were given, means that nothing is known of these.
OF_ITEMS = {"similar", "content"}
MOST_POSITIONS = 10_000


class Recommender:
    """Answers from one worker's state. Each public method returns JSON, as its endpoint describes it."""

    def __init__(self, state: ServiceState) -> None:
        self.state = state
        # Lists are what they are called: no rule and no configuration changes them.
        no_rules = RuleSet((), state.facts.get, CategoryTree({}))
        self._plain = {
            name: Plan(name, DEFAULTS[Placement.HOME], no_rules)
            for name in ("personalized", "online", "similar", "default")
        }

    def recommend(self, placement: str, question: Question) -> bytes:
        """What to show at a placement."""
        plans = self.state.plans
        plan = plans.in_context(placement, question.context) if question.context else plans[placement]
        view = View(self.state, question, plan)
        # Nearly all shoppers have a list and did nothing since: few steps for them, because in a busy worker each
        # function called costs its time twice over (docs/decisions/service-hot-path.md).
        at_once = plan.begins_with_ranked and not (view.histories or question.exploration)
        if at_once and (taken := view.whole(RANKED, FROM_RANKED)):
            return self._written(view, taken, _sources(taken), None)
        taken, explored = self._composed(view)
        shown = _sources(taken)
        return self._written(view, taken, shown, _fallback(view, shown), explored)

    def positions(self, question: Question, item_ids: Sequence[str] = ()) -> bytes:
        """The order of a whole category: item id → rank; what the shopper is done with, then what is sold out, last.

        Args:
            item_ids: those whose rank is wanted; none: of all, up to `MOST_POSITIONS`.

        Raises:
            ProblemError: 404 for a category without items.
        """
        view = View(self.state, question, self.state.plans[CATEGORY])
        self._enter_category(view)
        size = len(view.members or ())
        if not size:
            raise ProblemError(
                404,
                "unknown-category",
                f"There is no category {question.category_id!r} with items.",
                remedy="Give the shop's id of a category; see GET /v1/categories.",
            )
        picks, _ = compose(view, size, whole=True)
        ranks = {pick[0]: rank for rank, pick in enumerate(picks, 1)}
        wanted = item_ids or [pick[0] for pick in picks[:MOST_POSITIONS]]
        degraded = self.state.degraded
        return orjson.dumps(
            {
                "version": view.snapshot.generation,
                "degraded": bool(degraded),
                "degraded_reasons": degraded,
                "user_id": question.user_id,
                "category_id": question.category_id,
                "items": size,
                "positions": {item_id: ranks.get(item_id) for item_id in wanted},
            }
        )

    def preview(
        self, placement: Placement, question: Question, rules: Mapping[str, Rule], at: datetime
    ) -> dict[str, Any]:
        """What an answer is now, and what it would be with these rules, at a time."""
        trial = self.state.plans.trial(placement, rules, question.context, at)
        answers = []
        for plan in (self.state.plans.in_context(placement, question.context), trial):
            view = View(self.state, question, plan)
            answers.append(_items(self._composed(view)[0]))
        return {"placement": str(placement), "now": answers[0], "then": answers[1]}

    def personalized(self, user_id: str, limit: int) -> bytes:
        """The personalized list, topped up."""
        view = self._view("personalized", Question(user_id, limit))
        return self._answer(view, view.listed(PERSONALIZED, FROM_PERSONALIZED))

    def online(self, user_id: str, limit: int) -> bytes:
        """Neighbours of the user's last events, then those of older ones as the pipeline stored them, topped up."""
        view = self._view("online", Question(user_id, limit))
        return self._answer(view, online(view))

    def online_for_guest(self, item_ids: list[str], limit: int) -> bytes:
        """Neighbours of the items given (newest last), never these items themselves, topped up."""
        view = self._view("online", Question(None, limit, item_ids=tuple(item_ids)))
        picks = viewed(view, item_ids)
        return self._answer(view, picks, fallback="list_exhausted" if picks else "unknown_items")

    def similar(self, item_id: str, limit: int) -> bytes:
        """The item's neighbours, never itself, topped up.

        Raises:
            ProblemError: 404 for an item that the catalogue does not know.
        """
        view = self._view("similar", Question(None, limit, item_ids=(item_id,)))
        known = view.snapshot.get(SIMILAR, item_id) or self.state.facts.get(item_id)
        if known is None and SIMILAR in view.snapshot.tables:
            raise ProblemError(
                404,
                "unknown-item",
                f"There is no item {item_id!r}.",
                remedy="Give the shop's id of an item, or add it with PUT /v1/products/{product_id}.",
            )
        return self._answer(view, chain(neighbours(view, item_id), content(view)), fallback="list_exhausted")

    def default(self, category_id: str | None, limit: int) -> bytes:
        """What is popular, in the shop or in a category (then topped up from the shop)."""
        view = self._view("default", Question(None, limit))
        if category_id is None:
            return self._answer(view, (), fallback=None)
        found = view.snapshot.get(DEFAULT, category_id)
        picks = listed(found, view.head, *FROM_CATEGORY, category_id)
        return self._answer(view, picks, fallback=None if found else "unknown_category")

    def _view(self, name: str, question: Question) -> View:
        return View(self.state, question, self._plain[name])

    def _composed(self, view: View) -> tuple[list[Pick], dict[str, float]]:
        if view.plan.placement == CATEGORY:
            self._enter_category(view)
        return compose(view, view.question.limit)

    def _enter_category(self, view: View) -> None:
        view.members = self.state.categories.members(view.snapshot, view.question.category_id or "")

    def _answer(self, view: View, picks: Iterable[Pick], fallback: str | None = "") -> bytes:
        """Top the picks up to the limit and write them down; `fallback` tells why default items had to be added."""
        taken = view.take(chain(picks, popular(view)), view.question.limit)
        shown = _sources(taken)
        if DEFAULT_SOURCE not in shown:
            fallback = None
        elif fallback == "":
            fallback = "list_exhausted" if view.knows_the_shopper() else "unknown_user"
        return self._written(view, taken, shown, fallback)

    def _written(
        self,
        view: View,
        taken: list[Pick],
        shown: dict[str, int],
        fallback: str | None,
        explored: dict[str, float] | None = None,
    ) -> bytes:
        """Count the answer and write it down; `shown` is how many items each source gave."""
        chosen = perf_counter()
        degraded = self.state.degraded
        for why in degraded:
            metrics.count(metrics.DEGRADED, (why,))
        placement, generation = view.plan.placement, view.snapshot.generation
        items, sources = [pick[0] for pick in taken], [pick[2] for pick in taken]
        body = orjson.dumps(
            {
                "recommendation_id": token.make(unique_id(), placement, generation, items, sources, explored),
                "version": generation,
                "degraded": bool(degraded),
                "degraded_reasons": degraded,
                "user_id": view.question.user_id,
                "placement": placement,
                "fallback_reason": fallback,
                "items": _items(taken),
            }
        )
        self.state.served.note(placement, generation, shown, view.started, chosen)
        return body


def _items(taken: list[Pick]) -> list[dict[str, Any]]:
    return [
        {"item_id": item_id, "rank": rank, "score": score, "source": source, "reason": reason, "based_on": based_on}
        for rank, (item_id, score, source, reason, based_on) in enumerate(taken, 1)
    ]


def _sources(taken: list[Pick]) -> dict[str, int]:
    """How many items each gave, the first item's first."""
    shown: dict[str, int] = {}
    for pick in taken:
        shown[pick[2]] = shown.get(pick[2], 0) + 1
    return shown


def _fallback(view: View, shown: dict[str, int]) -> str | None:
    """Why default items are among the answer; None where they are what the placement is for."""
    if DEFAULT_SOURCE not in shown:
        return None
    if view.plan.placement == CATEGORY:
        return None if view.members is not None else "unknown_category"
    if view.question.item_ids and not OF_ITEMS & shown.keys():
        return "unknown_items"
    return "list_exhausted" if view.question.item_ids or view.knows_the_shopper() else "unknown_user"

"""From a placement's plan to the picks of an answer: retrieval by the cascade, then scoring, ordering and rules."""

from collections.abc import Iterable, Iterator
from itertools import chain

from fast_api_service.recommendations import exploration
from fast_api_service.recommendations.blend import Pick, spread, weave
from fast_api_service.recommendations.sources import FROM_CATALOGUE, SOURCES, news
from fast_api_service.recommendations.view import View
from recsys.placements.configuration import CascadeSource, PlacementConfiguration
from recsys.schema import Source

SPREAD_OVER = 50  # best picks that are put in an order of many categories


def retrieve(view: View, cascade: Iterable[CascadeSource]) -> Iterator[Pick]:
    """Picks of the enabled sources, each asked when those before it are used up, or mixed in by its weight."""
    picks: Iterator[Pick] = iter(())
    for step in cascade:
        if not step.enabled:
            continue
        found: Iterable[Pick] = _lazy(view, step.source)
        if step.source is Source.ONLINE and step.weight:
            if reaction := list(view.visible(news(view))):
                # What is hidden must not take a turn.
                picks = weave(view.visible(picks), reaction, step.weight)
        elif step.weight:
            picks, found = weave(view.visible(picks), view.visible(found), step.weight), ()
        picks = chain(picks, found)
    # A category's page is all of it, whatever sources are enabled.
    rest = view.members.in_order if view.members else ()
    return chain(picks, ((item_id, 0.0, *FROM_CATALOGUE, None) for item_id in rest))


def compose(view: View, limit: int, *, whole: bool = False) -> tuple[list[Pick], dict[str, float]]:
    """An answer's picks, and of those that were explored the probability with which they came to be shown.

    Args:
        whole: of a category, also what the shopper is done with: bought, disliked, in the cart.
    """
    configuration, rules = view.plan.configuration, view.plan.rules
    wanted = limit + rules.lookahead
    mixes = bool(configuration.diversity or configuration.category_cap)
    sizes = {str(step.source): step.size for step in configuration.cascade if step.size is not None}
    picks = retrieve(view, configuration.cascade)
    taken = view.take(picks, max(wanted, SPREAD_OVER) if mixes else wanted, sizes)
    if mixes:
        taken = spread(taken, lambda item_id: _category(view, item_id), *_mix(configuration))
    explored: dict[str, float] = {}
    if share := max(configuration.exploration, view.question.exploration):
        candidates = view.state.live_lists.get(exploration.LIST)
        weights = list(zip(candidates.item_ids, candidates.scores, strict=True))
        taken, explored = exploration.explore(taken, weights, share, view.may_show, wanted)
    if view.plan.effects is not None:
        taken = rules.arrange(taken, limit, view.pins())
    if view.members is not None and len(taken) < limit:
        taken += [(item_id, 0.0, *FROM_CATALOGUE, None) for item_id in _at_the_end(view, whole)]
    shown = taken[:limit]
    return shown, {pick[0]: explored[pick[0]] for pick in shown if pick[0] in explored}


def _at_the_end(view: View, whole: bool) -> Iterator[str]:
    """Items of the category that come last: what the shopper is done with, if so asked, then what is out of stock.

    A category's page shows these all the same; it does not show what the shop hides.
    """
    items = [item_id for item_id in view.members.in_order if view.allows(item_id)] if view.members else []
    unavailable = view.state.stock.unavailable
    if whole:
        yield from (item_id for item_id in items if item_id not in unavailable and not view.may_show(item_id))
    for item_id in items:
        if item_id in unavailable and (whole or item_id not in view.not_again or view.again(item_id)):
            facts = view.state.facts.get(item_id)
            if facts is not None and not facts.is_hidden:
                yield item_id


def _lazy(view: View, source: Source) -> Iterator[Pick]:
    yield from SOURCES[source](view)


def _category(view: View, item_id: str) -> str | None:
    facts = view.state.facts.get(item_id)
    return None if facts is None else facts.category_id


def _mix(configuration: PlacementConfiguration) -> tuple[float, int | None]:
    return configuration.diversity, configuration.category_cap

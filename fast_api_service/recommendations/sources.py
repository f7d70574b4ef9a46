"""Where picks come from: for each source of a cascade a function from what a request sees to its picks, best first."""

from collections.abc import Callable, Iterable, Iterator

from fast_api_service.recommendations.blend import Pick, listed
from fast_api_service.recommendations.online import basket_picks, online_picks
from fast_api_service.recommendations.view import I2I, PERSONALIZED, RANKED, View
from recsys.schema import Placement, Reason, RecommendationTable, Source

SIMILAR, DEFAULT = map(str, (RecommendationTable.SIMILAR, RecommendationTable.DEFAULT))
CART, PRODUCT = str(Placement.CART), str(Placement.PRODUCT)


def _origin(source: Source, reason: Reason) -> tuple[str, str]:
    return str(source), str(reason)


FROM_RANKED = _origin(Source.RANKED, Reason.RANKED_FOR_YOU)
FROM_PERSONALIZED = _origin(Source.PERSONALIZED, Reason.PERSONALIZED_FOR_YOU)
FROM_ONLINE = _origin(Source.ONLINE, Reason.SIMILAR_TO_VIEWED)
FROM_SIMILAR = _origin(Source.SIMILAR, Reason.SIMILAR_TO_ITEM)
FROM_CART = _origin(Source.SIMILAR, Reason.SIMILAR_TO_CART)
FILLED_UP = _origin(Source.SIMILAR, Reason.FROM_CATALOGUE)
FROM_CONTENT = _origin(Source.CONTENT, Reason.SIMILAR_BY_CONTENT)
FROM_PROFILE = _origin(Source.CONTENT, Reason.FITS_PROFILE)
FROM_SELECTION = _origin(Source.SELECTION, Reason.PICKED_BY_SHOP)
FROM_TRENDING = _origin(Source.TRENDING, Reason.TRENDING)
FROM_NEWEST = _origin(Source.NEWEST, Reason.NEW_IN_SHOP)
FROM_SHOP = _origin(Source.DEFAULT, Reason.POPULAR)
FROM_CATEGORY = _origin(Source.DEFAULT, Reason.POPULAR_IN_CATEGORY)
FROM_CATALOGUE = _origin(Source.DEFAULT, Reason.FROM_CATALOGUE)

# Names of live lists. Those by content have an item's or a user's id as their key, the others a category's or nothing.
BY_CONTENT, BY_PROFILE, SELECTION, TRENDING, NEWEST = (
    "similar_by_content",
    "fits_profile",
    "selection",
    "trending",
    "newest",
)

# A list was computed from events up to some hours before it was published; later ones are not in it yet.
LIST_LAG_MS = 3 * 3600 * 1000


def ranked(view: View) -> Iterator[Pick]:
    """The shopper's ranked list."""
    return view.listed(RANKED, FROM_RANKED)


def personalized(view: View) -> Iterator[Pick]:
    """The shopper's personalized list."""
    return view.listed(PERSONALIZED, FROM_PERSONALIZED)


def online(view: View) -> Iterator[Pick]:
    """Neighbours of recent events, then those that the pipeline stored for older ones."""
    yield from _live(view, view.interests()) if view.histories else ()
    yield from view.listed(I2I, FROM_ONLINE)


def news(view: View) -> Iterable[Pick]:
    """Neighbours of events that the shopper's lists cannot know yet."""
    if not view.histories:
        return ()
    listed_in = next((table for table in (RANKED, PERSONALIZED) if view.stored(table)), None)
    if listed_in is None:
        return ()
    known_until = view.snapshot.tables[listed_in].published_at.timestamp() * 1000 - LIST_LAG_MS
    return _live(view, [(item_id, at) for item_id, at in view.interests() if at > known_until])


def viewed(view: View, item_ids: list[str]) -> Iterable[Pick]:
    """Neighbours of what somebody looked at, newest last."""
    # One item after the other: what shares a moment counts alike, as a basket does.
    return _live(view, [(item_id, -place) for place, item_id in enumerate(reversed(item_ids))])


def similar(view: View) -> Iterable[Pick]:
    """Neighbours of all that is on the page; of a cart that the page does not tell, as far as events have told it."""
    in_cart = view.plan.placement == CART
    item_ids = view.question.item_ids or (view.cart() if in_cart else ())
    if len(item_ids) == 1 and not in_cart:
        return neighbours(view, item_ids[0])
    origin = FROM_CART if in_cart else FROM_SIMILAR
    return basket_picks(item_ids, lambda ids: view.snapshot.get_many(SIMILAR, ids), *origin)


def neighbours(view: View, item_id: str) -> Iterator[Pick]:
    """Those of one item, which a row does not name again; what only fills its row has score 0, and is not like it."""
    for other, score, *_ in listed(view.snapshot.get(SIMILAR, item_id), view.head, *FROM_SIMILAR):
        yield (other, score, *FROM_SIMILAR, item_id) if score > 0 else (other, score, *FILLED_UP, None)


def content(view: View) -> Iterator[Pick]:
    """What reads like the items on the page, which new items have too; then what fits the customer."""
    lists = view.state.live_lists
    for item_id in view.question.item_ids:
        found = lists.get(BY_CONTENT, item_id)
        for other, score in zip(found.item_ids, found.scores, strict=True):
            yield other, score, *FROM_CONTENT, item_id
    if view.key is not None:
        yield from _live_list(view, BY_PROFILE, FROM_PROFILE, view.key)


def selection(view: View) -> Iterator[Pick]:
    """What the shop weighted up."""
    return _live_list(view, SELECTION, FROM_SELECTION)


def trending(view: View) -> Iterator[Pick]:
    """What is looked at more than usual, in the last minutes."""
    return _live_list(view, TRENDING, FROM_TRENDING)


def newest(view: View) -> Iterator[Pick]:
    """What came in last."""
    return _live_list(view, NEWEST, FROM_NEWEST)


def popular(view: View) -> Iterator[Pick]:
    """What is popular in the category, then in the shop, then anything else that is on sale."""
    category_id = view.question.category_id or _category_of_the_product(view)
    if category_id is not None:
        yield from listed(view.snapshot.get(DEFAULT, category_id), view.head, *FROM_CATEGORY, category_id)
    if view.members is not None:
        others = view.members.in_order
    else:
        yield from listed(view.snapshot.get(DEFAULT, ""), view.head, *FROM_SHOP)
        # Where rules include only some, these come before the rest, which hardly holds any of them.
        others = (*view.plan.allowed, *view.state.reserve.items(view.snapshot))
    for item_id in others:
        yield item_id, 0.0, *FROM_CATALOGUE, None


SOURCES: dict[Source, Callable[[View], Iterable[Pick]]] = {
    Source.RANKED: ranked,
    Source.PERSONALIZED: personalized,
    Source.ONLINE: online,
    Source.SIMILAR: similar,
    Source.CONTENT: content,
    Source.SELECTION: selection,
    Source.TRENDING: trending,
    Source.NEWEST: newest,
    Source.DEFAULT: popular,
}


def _category_of_the_product(view: View) -> str | None:
    facts = view.state.facts.get(view.question.item_ids[0]) if view.plan.placement == PRODUCT else None
    return None if facts is None else facts.category_id


def _live(view: View, interests: list[tuple[str, int]]) -> Iterable[Pick]:
    """Neighbours of a history, newest first; a new item's are those by content."""
    if not interests:
        return ()

    def row(item_id: str) -> Iterable[tuple[str, float]]:
        found = view.snapshot.get(SIMILAR, item_id)
        if found is not None:
            return zip(found.items(), found.scores() or (), strict=True)
        alike = view.state.live_lists.get(BY_CONTENT, item_id)
        return zip(alike.item_ids, alike.scores, strict=True)

    return online_picks(interests, row, view.state.online_settings, view.disliked())


def _live_list(view: View, name: str, origin: tuple[str, str], key: str = "") -> Iterator[Pick]:
    found = view.state.live_lists.get(name, key)
    for item_id, score in zip(found.item_ids, found.scores, strict=True):
        yield item_id, score, *origin, None

"""The cascades: which lists an answer is put together from, in which order, and what is never shown."""

from collections.abc import Iterable, Iterator
from itertools import chain
from time import perf_counter

import orjson

from fast_api_service import metrics
from fast_api_service.problems import ProblemError
from fast_api_service.recommendations.blend import Pick, alternate, decoded, listed, take, visible
from fast_api_service.recommendations.online import online_picks
from fast_api_service.schemas import unique_id
from fast_api_service.state import ServiceState
from recsys.publishing.codec import RecommendationList
from recsys.schema import Placement, Reason, RecommendationTable, SnapshotTable, Source

# Plain strings: an enumeration's members are hashed and serialised in Python, some dozen times a request.
RANKED, PERSONALIZED, I2I = map(
    str, (RecommendationTable.RANKED, RecommendationTable.PERSONALIZED, RecommendationTable.I2I)
)
SIMILAR, DEFAULT, PURCHASES = map(
    str, (RecommendationTable.SIMILAR, RecommendationTable.DEFAULT, SnapshotTable.PURCHASES)
)
HOME = str(Placement.HOME)
FROM_RANKED = str(Source.RANKED), str(Reason.RANKED_FOR_YOU)
FROM_PERSONALIZED = str(Source.PERSONALIZED), str(Reason.PERSONALIZED_FOR_YOU)
FROM_I2I = str(Source.ONLINE), str(Reason.SIMILAR_TO_VIEWED)
FROM_SIMILAR = str(Source.SIMILAR), str(Reason.SIMILAR_TO_ITEM)
FROM_SHOP = str(Source.DEFAULT), str(Reason.POPULAR)
FROM_CATEGORY = str(Source.DEFAULT), str(Reason.POPULAR_IN_CATEGORY)
FROM_CATALOGUE = str(Source.DEFAULT), str(Reason.FROM_CATALOGUE)

# A list was computed from events up to some hours before it was published; later ones are not in it yet.
LIST_LAG_MS = 3 * 3600 * 1000
# Picks decoded beyond those asked for, since some will be bought or unavailable.
SPARE = 8


class Recommender:
    """Answers from one worker's state. Each public method returns the JSON of `schemas.Recommendations`."""

    def __init__(self, state: ServiceState) -> None:
        self.state = state

    def home(self, user_id: str | None, limit: int) -> bytes:
        """ranked → personalized → online → default; a reaction to events newer than the list is woven into it."""
        view = View(self.state, user_id, limit)
        # Nearly all shoppers have a list and did nothing since: few steps for them, because in a busy worker each
        # function called costs its time twice over (docs/decisions/service-hot-path.md).
        if not view.history and (taken := view.whole(RANKED, FROM_RANKED)):
            return self._written(view, HOME, taken, {FROM_RANKED[0]: limit}, None)
        picks = chain(view.stored(RANKED, FROM_RANKED), view.when_needed(PERSONALIZED, FROM_PERSONALIZED))
        if live := view.live(newer_than_lists=True):
            # What is hidden must not take a turn.
            picks = alternate(view.visible(picks), view.visible(live))  # type: ignore[assignment]
        return self._answer(view, HOME, chain(picks, view.online()))

    def personalized(self, user_id: str, limit: int) -> bytes:
        """The personalized list, topped up."""
        view = View(self.state, user_id, limit)
        return self._answer(view, "personalized", view.stored(PERSONALIZED, FROM_PERSONALIZED))

    def online(self, user_id: str, limit: int) -> bytes:
        """Neighbours of the user's last events, then those of older ones as the pipeline stored them, topped up."""
        view = View(self.state, user_id, limit)
        return self._answer(view, "online", view.online())

    def online_for_guest(self, item_ids: list[str], limit: int) -> bytes:
        """Neighbours of the items given (newest last), never these items themselves, topped up."""
        view = View(self.state, None, limit)
        # One item after the other: what shares a moment counts alike, as a basket does.
        picks = view.neighbours_of([(item_id, -place) for place, item_id in enumerate(reversed(item_ids))])
        view.not_again = item_ids
        return self._answer(view, "online", picks, fallback="list_exhausted" if picks else "unknown_items")

    def similar(self, item_id: str, limit: int) -> bytes:
        """The item's neighbours, never itself, topped up.

        Raises:
            ProblemError: 404 for an item that the catalogue does not know.
        """
        view = View(self.state, None, limit)
        found = view.snapshot.get(SIMILAR, item_id)
        if found is None and SIMILAR in view.snapshot.tables and item_id not in self.state.stock.unavailable:
            raise ProblemError(
                404,
                "unknown-item",
                f"There is no item {item_id!r}.",
                remedy="Give the shop's id of an item; new items are known after the next pipeline run.",
            )
        view.not_again = [item_id]
        picks = listed(found, limit + SPARE, *FROM_SIMILAR, item_id)
        return self._answer(view, "similar", picks, fallback="list_exhausted")

    def default(self, category_id: str | None, limit: int) -> bytes:
        """What is popular, in the shop or in a category (then topped up from the shop)."""
        view = View(self.state, None, limit)
        if category_id is None:
            return self._answer(view, "default", (), fallback=None)
        found = view.snapshot.get(DEFAULT, category_id)
        picks = listed(found, limit + SPARE, *FROM_CATEGORY, category_id)
        return self._answer(view, "default", picks, fallback=None if found else "unknown_category")

    def _answer(self, view: "View", placement: str, picks: Iterable[Pick], fallback: str | None = "") -> bytes:
        """Top the picks up to the limit and write them down; `fallback` tells why default items had to be added."""
        taken = take(chain(picks, view.default()), view.limit, view.not_again, self.state.stock.unavailable)
        shown: dict[str, int] = {}
        for pick in taken:
            shown[pick[2]] = shown.get(pick[2], 0) + 1
        if FROM_SHOP[0] not in shown:
            fallback = None
        elif fallback == "":
            fallback = "list_exhausted" if view.knows_the_user() else "unknown_user"
        return self._written(view, placement, taken, shown, fallback)

    def _written(
        self, view: "View", placement: str, taken: list[Pick], shown: dict[str, int], fallback: str | None
    ) -> bytes:
        """Count the answer and write it down; `shown` is how many items each source gave."""
        chosen = perf_counter()
        degraded = self.state.degraded
        for why in degraded:
            metrics.count(metrics.DEGRADED, (why,))
        body = orjson.dumps(
            {
                "recommendation_id": unique_id(),
                "version": view.snapshot.generation,
                "degraded": bool(degraded),
                "degraded_reasons": degraded,
                "user_id": view.user_id,
                "placement": placement,
                "fallback_reason": fallback,
                "items": [
                    {
                        "item_id": item_id,
                        "rank": rank,
                        "score": score,
                        "source": source,
                        "reason": reason,
                        "based_on": based_on,
                    }
                    for rank, (item_id, score, source, reason, based_on) in enumerate(taken, 1)
                ],
            }
        )
        self.state.served.note(placement, view.snapshot.generation, shown, view.started, chosen)
        return body


class View:
    """What one request sees: one snapshot from beginning to end, the user's history, what must not be shown again."""

    def __init__(self, state: ServiceState, user_id: str | None, limit: int) -> None:
        self.state, self.user_id, self.limit, self.started = state, user_id, limit, perf_counter()
        self.snapshot = state.follower.current
        self.history = self.bought = None
        self.not_again: list[str] = []
        if user_id is not None:
            self.history = state.recent.user(self.snapshot.dataset or "", user_id)
            if self.history:
                self.not_again = self.history.purchased()
            self.bought = self.snapshot.get(PURCHASES, user_id)
            if self.bought:
                self.not_again = self.not_again + self.bought.items()

    def whole(self, table: str, origin: tuple[str, str]) -> list[Pick]:
        """An answer's worth of the user's list in a table; nothing when its beginning does not give that many."""
        found = self._list(table)
        if found is None:
            return []
        unavailable, not_again = self.state.stock.unavailable, self.not_again
        picks = decoded(found, self.limit + SPARE, *origin)
        taken = [pick for pick in picks if pick[0] not in unavailable and pick[0] not in not_again]
        return taken[: self.limit] if len(taken) >= self.limit else []

    def stored(self, table: str, origin: tuple[str, str]) -> Iterable[Pick]:
        """The user's list in a table."""
        return () if self.user_id is None else listed(self._list(table), self.limit + SPARE, *origin)

    def when_needed(self, table: str, origin: tuple[str, str]) -> Iterator[Pick]:
        """The same, looked up when the lists before it are used up."""
        yield from self.stored(table, origin)

    def online(self) -> Iterator[Pick]:
        """Neighbours of recent events, then those that the pipeline stored for older ones."""
        yield from self.live()
        yield from self.stored(I2I, FROM_I2I)

    def default(self) -> Iterator[Pick]:
        """What is popular in the shop, then anything else that is on sale."""
        yield from listed(self.snapshot.get(DEFAULT, ""), self.limit + SPARE, *FROM_SHOP)
        for item_id in self.state.reserve.items(self.snapshot):
            yield item_id, 0.0, *FROM_CATALOGUE, None

    def live(self, *, newer_than_lists: bool = False) -> list[Pick]:
        """Neighbours of the user's recent events; of those that the stored lists cannot know, if so asked."""
        events = self.history.events() if self.history else []
        if events and newer_than_lists:
            tables = [self.snapshot.tables[table] for table in (RANKED, PERSONALIZED) if self._list(table)]
            known_until = tables[0].published_at.timestamp() * 1000 - LIST_LAG_MS if tables else 0
            events = [event for event in events if event.timestamp_ms > known_until]
        return self.neighbours_of([(event.item_id, event.timestamp_ms) for event in events]) if events else []

    def neighbours_of(self, events: list[tuple[str, int]]) -> list[Pick]:
        """Neighbours of a history, newest first."""
        return online_picks(events, lambda item_id: self.snapshot.get(SIMILAR, item_id), self.state.online_settings)

    def visible(self, picks: Iterable[Pick]) -> Iterator[Pick]:
        """The picks that may be shown."""
        return visible(picks, frozenset(self.not_again), self.state.stock.unavailable)

    def knows_the_user(self) -> bool:
        """Whether anything at all is known of the user."""
        return (
            self.bought is not None
            or bool(self.history and self.history.events(1))
            or any(self._list(table) for table in (RANKED, PERSONALIZED, I2I))
        )

    def _list(self, table: str) -> RecommendationList | None:
        return None if self.user_id is None else self.snapshot.get(table, self.user_id)

"""The cascades: which lists an answer is put together from, in which order, and what is never shown."""

from collections.abc import Container, Iterable, Iterator
from itertools import chain

import orjson

from fast_api_service import metrics
from fast_api_service.problems import ProblemError
from fast_api_service.recommendations.blend import Pick, alternate, take, visible
from fast_api_service.recommendations.online import online_picks
from fast_api_service.schemas import unique_id
from fast_api_service.state import ServiceState
from recsys.publishing.codec import RecommendationList
from recsys.schema import Placement, Reason, RecommendationTable, SnapshotTable, Source

# A list was computed from events up to some hours before it was published; later ones are not in it yet.
LIST_LAG_MS = 3 * 3600 * 1000


class Recommender:
    """Answers from one worker's state. Each public method returns the JSON of `schemas.Recommendations`."""

    def __init__(self, state: ServiceState) -> None:
        self.state = state

    def home(self, user_id: str | None, limit: int) -> bytes:
        """ranked → personalized → online → default; a reaction to events newer than the list is woven into it."""
        request = _Request(self.state, user_id)
        ranked = request.stored(RecommendationTable.RANKED)
        personalized = request.stored(RecommendationTable.PERSONALIZED)
        best = RecommendationTable.RANKED if ranked else RecommendationTable.PERSONALIZED
        stored = chain(
            listed(ranked, Source.RANKED, Reason.RANKED_FOR_YOU),
            listed(personalized, Source.PERSONALIZED, Reason.PERSONALIZED_FOR_YOU),
        )
        live = request.live(newer_than=best)
        # What is hidden must not take a turn.
        picks = chain(alternate(request.visible(stored), request.visible(live)) if live else stored, request.online())
        return self._answer(request, str(Placement.HOME), limit, picks)

    def personalized(self, user_id: str, limit: int) -> bytes:
        """The personalized list, topped up."""
        request = _Request(self.state, user_id)
        found = request.stored(RecommendationTable.PERSONALIZED)
        picks = listed(found, Source.PERSONALIZED, Reason.PERSONALIZED_FOR_YOU)
        return self._answer(request, "personalized", limit, picks)

    def online(self, user_id: str, limit: int) -> bytes:
        """Neighbours of the user's last events, or of older ones as the pipeline stored them, topped up."""
        request = _Request(self.state, user_id)
        return self._answer(request, "online", limit, request.online())

    def online_for_guest(self, item_ids: list[str], limit: int) -> bytes:
        """Neighbours of the items given (newest last), never these items themselves, topped up."""
        request = _Request(self.state, None)
        events = [(item_id, 0) for item_id in reversed(item_ids)]
        picks = online_picks(events, request.neighbours, self.state.online_settings)
        request.hidden.append(frozenset(item_ids))
        return self._answer(request, "online", limit, picks, fallback="list_exhausted" if picks else "unknown_items")

    def similar(self, item_id: str, limit: int) -> bytes:
        """The item's neighbours, never itself, topped up.

        Raises:
            ProblemError: 404 for an item that the catalogue does not know.
        """
        request = _Request(self.state, None)
        found = request.snapshot.get(RecommendationTable.SIMILAR, item_id)
        known = found is not None or item_id in self.state.stock.unavailable
        if not known and RecommendationTable.SIMILAR in request.snapshot.tables:
            raise ProblemError(
                404,
                "unknown-item",
                f"There is no item {item_id!r}.",
                remedy="Give the shop's id of an item; new items are known after the next pipeline run.",
            )
        request.hidden.append({item_id})
        picks = listed(found, Source.SIMILAR, Reason.SIMILAR_TO_ITEM, item_id)
        return self._answer(request, "similar", limit, picks, fallback="list_exhausted")

    def default(self, category_id: str | None, limit: int) -> bytes:
        """What is popular, in the shop or in a category (then topped up from the shop)."""
        request = _Request(self.state, None)
        if category_id is None:
            return self._answer(request, "default", limit, (), fallback=None)
        found = request.snapshot.get(RecommendationTable.DEFAULT, category_id)
        picks = listed(found, Source.DEFAULT, Reason.POPULAR_IN_CATEGORY, category_id)
        return self._answer(request, "default", limit, picks, fallback=None if found else "unknown_category")

    def _answer(
        self, request: "_Request", placement: str, limit: int, picks: Iterable[Pick], fallback: str | None = ""
    ) -> bytes:
        taken = take(request.visible(chain(picks, request.default())), limit)
        if fallback == "":
            fallback = "list_exhausted" if request.known() else "unknown_user"
        degraded = self.state.degraded
        _count(placement, taken, degraded)
        return orjson.dumps(
            {
                "recommendation_id": unique_id(),
                "version": request.snapshot.generation,
                "degraded": bool(degraded),
                "degraded_reasons": degraded,
                "user_id": request.user_id,
                "placement": placement,
                "fallback_reason": fallback if any(pick.source is Source.DEFAULT for pick in taken) else None,
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


class _Request:
    """What one request sees: one snapshot from beginning to end, the user's history, and what must not be shown."""

    def __init__(self, state: ServiceState, user_id: str | None) -> None:
        self.state, self.user_id = state, user_id
        self.snapshot = state.follower.current
        self.hidden: list[Container[str]] = [state.stock.unavailable]
        self.history = self.bought = None
        if user_id is not None:
            self.history = state.recent.user(self.snapshot.dataset or "", user_id)
            self.bought = self.stored(SnapshotTable.PURCHASES)
            if self.bought:
                self.hidden.append(set(self.bought.items()))
            if bought_now := self.history.purchased():
                self.hidden.append(set(bought_now))

    def stored(self, table: RecommendationTable | SnapshotTable) -> RecommendationList | None:
        """The user's list in a table."""
        return None if self.user_id is None else self.snapshot.get(table, self.user_id)

    def known(self) -> bool:
        """Whether anything at all is known of the user."""
        return (
            self.bought is not None
            or bool(self.history and self.history.events(1))
            or any(self.stored(table) for table in USER_TABLES)
        )

    def visible(self, picks: Iterable[Pick]) -> Iterator[Pick]:
        """The picks that may be shown."""
        return visible(picks, *self.hidden)

    def neighbours(self, item_id: str) -> RecommendationList | None:
        """The item's row of the similar-items table."""
        return self.snapshot.get(RecommendationTable.SIMILAR, item_id)

    def live(self, newer_than: RecommendationTable | None = None) -> list[Pick]:
        """Neighbours of the user's recent events, those that a stored list cannot know."""
        events = self.history.events() if self.history else []
        table = self.snapshot.tables.get(newer_than) if newer_than else None
        if events and table:
            known_until = table.published_at.timestamp() * 1000 - LIST_LAG_MS
            events = [event for event in events if event.timestamp_ms > known_until]
        newest_first = [(event.item_id, event.timestamp_ms) for event in events]
        return online_picks(newest_first, self.neighbours, self.state.online_settings)

    def online(self) -> Iterator[Pick]:
        """Neighbours of recent events, then those that the pipeline stored for older ones."""
        yield from self.live()
        yield from listed(self.stored(RecommendationTable.I2I), Source.ONLINE, Reason.SIMILAR_TO_VIEWED)

    def default(self) -> Iterator[Pick]:
        """What is popular in the shop, then anything else that is on sale."""
        yield from listed(self.snapshot.get(RecommendationTable.DEFAULT, ""), Source.DEFAULT, Reason.POPULAR)
        for item_id in self.state.reserve.items(self.snapshot):
            yield Pick(item_id, 0.0, Source.DEFAULT, Reason.FROM_CATALOGUE, None)


USER_TABLES = (RecommendationTable.RANKED, RecommendationTable.PERSONALIZED, RecommendationTable.I2I)


def listed(
    found: RecommendationList | None, source: Source, reason: Reason, based_on: str | None = None
) -> Iterator[Pick]:
    """The picks of a stored list; its own reasons and `based_on` win over the ones given."""
    if found is None:
        return
    items, size = found.items(), len(found)
    scores = found.scores() or (0.0,) * size
    reasons = found.reasons() or (reason,) * size
    bases = found.based_on() or (based_on,) * size
    for item_id, score, why, base in zip(items, scores, reasons, bases, strict=True):
        yield Pick(item_id, score, source, why, base)


def _count(placement: str, taken: list[Pick], degraded: tuple[str, ...]) -> None:
    metrics.counter(metrics.ANSWERS, placement, taken[0].source if taken else "none")()
    shown: dict[str, int] = {}
    for pick in taken:
        shown[pick.source] = shown.get(pick.source, 0) + 1
    for source, count in shown.items():
        metrics.counter(metrics.ITEMS, source)(count)
    for reason in degraded:
        metrics.counter(metrics.DEGRADED, reason)()

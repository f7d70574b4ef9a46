"""Validates events row by row, stores or queues the good ones, and shows them to the next request."""

import time
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fast_api_service import metrics
from fast_api_service.database import database_errors
from fast_api_service.events.queue import EventQueue
from fast_api_service.events.schemas import Event, Receipt, RejectedEvent
from fast_api_service.problems import ProblemError, field_problems
from fast_api_service.state import ServiceState
from recsys.live.ingest import CollectedEvent, insert
from recsys.publishing.recent import RecentEvent

MOST_EVENTS = 1000
UNACKNOWLEDGED = "Nothing of this request was acknowledged.", "Send the request again, with the same event ids."

_event: TypeAdapter[Event] = TypeAdapter(Event)


class EventCollector:
    """Acknowledged means stored: what `collect` reports is committed, or confirmed by the queue."""

    def __init__(self, state: ServiceState, queue: EventQueue | None) -> None:
        self.state, self.queue = state, queue

    async def collect(self, body: Any) -> Receipt:
        """Store one event or a list of them; bad rows never block good ones.

        Raises:
            ProblemError: 422 when no row is usable, or there are none or too many; 503 when Postgres is away.
        """
        rows = body if isinstance(body, list) else [body]
        if not 0 < len(rows) <= MOST_EVENTS:
            raise ProblemError(
                422,
                "invalid",
                f"The body holds {len(rows)} events.",
                remedy=f"Send 1 to {MOST_EVENTS} events at a time.",
            )
        events, rejected = _validated(rows)
        for row in rejected:
            metrics.count(metrics.REJECTED, (row.errors[0].reason,))
        if not events:
            raise ProblemError(
                422,
                "no-usable-event",
                f"None of the {len(rows)} events is usable; nothing was stored.",
                remedy="Correct the rows listed under `rejected`.",
                rejected=[row.model_dump() for row in rejected],
            )
        first_of_id = {event.event_id: event for event in reversed(events)}
        new = await (self._store if self.queue is None else self._queue)(list(first_of_id.values()))
        for event in new:
            metrics.count(metrics.EVENTS, (event.event_type,))
        if new:
            metrics.LAST_EVENT.set(time.time())
        return Receipt(
            stored=len(new) if self.queue is None else 0,
            queued=0 if self.queue is None else len(new),
            duplicates=len(events) - len(new),
            event_ids=[event.event_id for event in events],
            rejected=rejected,
        )

    async def _store(self, events: list[CollectedEvent]) -> list[CollectedEvent]:
        with database_errors(*UNACKNOWLEDGED):
            dataset, new_ids = await insert(self.state.pool, events, None)
        new = [event for event in events if event.event_id in new_ids]
        # After the commit, so that nothing is shown that could still be lost. Should the process die right here,
        # the tailer brings these in.
        self.show(dataset, new)
        return new

    async def _queue(self, events: list[CollectedEvent]) -> list[CollectedEvent]:
        assert self.queue is not None  # noqa: S101 - chosen by whether there is one
        # The dataset is named now: another may be active when the events are stored.
        dataset = self.state.follower.current.dataset
        with database_errors(*UNACKNOWLEDGED):
            await self.queue.publish(dataset, events)
        if dataset is not None:
            self.show(dataset, events)
        return events

    def show(self, dataset: str, events: Sequence[CollectedEvent]) -> None:
        """Let the next request on this host see these events; they must be safe by now."""
        self.state.recent.add(
            RecentEvent(
                dataset,
                event.event_id,
                event.timestamp_ms,
                event.item_id,
                event.event_type,
                event.user_id,
                event.session_id,
                event.value,
            )
            for event in events
        )


def _validated(rows: list[Any]) -> tuple[list[CollectedEvent], list[RejectedEvent]]:
    events, rejected = [], []
    for index, row in enumerate(rows):
        try:
            events.append(_event.validate_python(row).collected())
        except ValidationError as error:
            given = row.get("event_id") if isinstance(row, dict) else None
            errors = field_problems(error.errors(include_url=False), "body", index)
            rejected.append(RejectedEvent(index=index, event_id=str(given)[:100] if given else None, errors=errors))
    return events, rejected

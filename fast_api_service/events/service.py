"""Validates events row by row, commits the good ones, and shows them to the next request."""

import time
from typing import Any

import asyncpg
from pydantic import TypeAdapter, ValidationError

from fast_api_service import metrics
from fast_api_service.database import database_errors
from fast_api_service.events import repository
from fast_api_service.events.schemas import Event, Receipt, RejectedEvent
from fast_api_service.problems import ProblemError, field_problems
from recsys.publishing.recent import RecentEvent, RecentStore

MOST_EVENTS = 1000

_event: TypeAdapter[Event] = TypeAdapter(Event)


class EventCollector:
    """Acknowledged means stored: what `collect` reports as stored is committed."""

    def __init__(self, pool: asyncpg.Pool, recent: RecentStore) -> None:
        self.pool, self.recent = pool, recent

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
        new = await self._store(events)
        return Receipt(
            stored=new,
            duplicates=len(events) - new,
            event_ids=[event.event_id for event in events],
            rejected=rejected,
        )

    async def _store(self, events: list[Event]) -> int:
        first_of_id = {event.event_id: event for event in reversed(events)}
        again = "Send the request again, with the same event ids."
        with database_errors("Nothing of this request was acknowledged.", again):
            dataset, new_ids = await repository.insert(self.pool, list(first_of_id.values()))
        new = [first_of_id[event_id] for event_id in new_ids]
        # After the commit, so that nothing is shown that could still be lost. Should the process die right here,
        # the tailer brings these in.
        self.recent.add(
            RecentEvent(
                dataset,
                event.event_id,
                event.timestamp_ms,
                event.item_id,
                event.event_type,
                event.user_id,
                event.session_id,
            )
            for event in new
        )
        for event in new:
            metrics.count(metrics.EVENTS, (event.event_type,))
        if new:
            metrics.LAST_EVENT.set(time.time())
        return len(new)


def _validated(rows: list[Any]) -> tuple[list[Event], list[RejectedEvent]]:
    events, rejected = [], []
    for index, row in enumerate(rows):
        try:
            events.append(_event.validate_python(row))
        except ValidationError as error:
            given = row.get("event_id") if isinstance(row, dict) else None
            errors = field_problems(error.errors(include_url=False), "body", index)
            rejected.append(RejectedEvent(index=index, event_id=str(given)[:100] if given else None, errors=errors))
    return events, rejected

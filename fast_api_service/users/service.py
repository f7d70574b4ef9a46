"""A user's events, a guest who logs in, and users who want to see or to be rid of what is held of them."""

import asyncio
from typing import Any

from fast_api_service.database import database_errors
from fast_api_service.events import repository as events_repository
from fast_api_service.events.service import EventCollector
from fast_api_service.state import ServiceState
from fast_api_service.users import repository
from recsys.storage.pool import UNAVAILABLE

HIDDEN = [
    "Published list files: not used for this user from now on; replaced by the next pipeline runs.",
    "Prepared data and models in the object store: without this user from the next run and training on.",
    "Backups and logs outside the suite are not reached from here.",
]


async def newest_events(state: ServiceState, user_id: str, limit: int) -> dict[str, Any]:
    """The document of `UserEvents`: from Postgres, or from the recent store while Postgres is away."""
    reasons = list(state.degraded)
    try:
        events = await events_repository.of_user(state.pool, user_id, limit)
    except UNAVAILABLE:
        if "postgres_unavailable" not in reasons:
            reasons.append("postgres_unavailable")
        recent = state.recent.user(state.follower.current.dataset or "", user_id).events(limit)
        events = [
            {
                "timestamp_ms": event.timestamp_ms,
                "user_id": user_id,
                "item_id": event.item_id,
                "event_type": event.event_type,
            }
            for event in recent
        ]
    return {"user_id": user_id, "degraded": bool(reasons), "degraded_reasons": reasons, "events": events}


async def merge(state: ServiceState, collector: EventCollector, user_id: str, session_id: str) -> dict[str, Any]:
    """The document of `Merged`; the next request knows what the guest did."""
    with database_errors("Nothing was merged."):
        dataset, events = await repository.merge(state.pool, user_id, session_id)
    collector.show(dataset, events)
    return {"user_id": user_id, "session_id": session_id, "merged": len(events)}


async def erase(state: ServiceState, user_id: str) -> dict[str, Any]:
    """The document of `Erased`; when it is there, no worker of this host shows anything of the user any more."""
    with database_errors("It is not known whether anything was erased; ask again."):
        dataset, sessions, erased = await repository.erase(state.pool, user_id)
        state.recent.forget(dataset, user_id, sessions)
        await state.erasures.refresh(state.pool.fetch, state.follower.current.dataset)
    # The other workers look as often as this one.
    await asyncio.sleep(2 * state.settings.refresh_interval_s)
    return {"user_id": user_id, "sessions": len(sessions), "erased": erased, "hidden": HIDDEN}


async def export(state: ServiceState, user_id: str) -> dict[str, Any]:
    """The document of `Export`."""
    with database_errors("Nothing can be read."):
        return {"user_id": user_id, "held": await repository.export(state.pool, user_id)}

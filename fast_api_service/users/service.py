"""A user's events: from Postgres, or from the recent store while Postgres is away."""

from typing import Any

from fast_api_service.events import repository
from fast_api_service.state import ServiceState
from recsys.storage.pool import UNAVAILABLE


async def newest_events(state: ServiceState, user_id: str, limit: int) -> dict[str, Any]:
    """The document of `UserEvents`."""
    reasons = list(state.degraded)
    try:
        events = await repository.of_user(state.pool, user_id, limit)
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

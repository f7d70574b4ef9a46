"""`/health/live`, `/health/ready`."""

from typing import Any

import orjson
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from fast_api_service.routing import DirectRoute

router = APIRouter(prefix="/health", tags=["health"], route_class=DirectRoute)

ALIVE = b'{"status":"alive"}'


class Liveness(BaseModel):
    """The process answers."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether to send requests here, and each dependency with its state."""

    status: str
    degraded_reasons: list[str]
    dependencies: dict[str, dict[str, Any]]


@router.get("/live", response_model=Liveness, summary="Does the process answer?", operation_id="live")
async def live() -> Response:
    """Looks at nothing else; restart the process when this fails."""
    return Response(ALIVE, media_type="application/json")


@router.get(
    "/ready",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "There is nothing to recommend yet."}},
    summary="Can it serve, and from what?",
    operation_id="ready",
)
async def ready(request: Request) -> Response:
    """`ready`, `degraded` (it serves from its last good state) or, with 503, `not_ready` (it has no lists at all).

    `event_queue` is among the dependencies where events pass through RabbitMQ: while that is away, events are refused
    with 503, and answers are as good as ever.
    """
    state = request.app.state.service
    dependencies, reasons = state.describe(), list(state.degraded)
    keys = request.app.state.keys
    dependencies["api_keys"] = {"state": "unreadable" if keys.problem else "ok"}
    if queue := request.app.state.collector.queue:
        dependencies["event_queue"] = queue.broker.describe()
        if not queue.broker.ok:
            reasons.append("event_queue_unavailable")
    missing = "snapshot_missing" in reasons
    status = "not_ready" if missing else "degraded" if reasons else "ready"
    document = {"status": status, "degraded_reasons": reasons, "dependencies": dependencies}
    return Response(orjson.dumps(document), 503 if missing else 200, media_type="application/json")

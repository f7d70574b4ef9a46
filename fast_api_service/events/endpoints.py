"""`/v1/events`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Request
from pydantic import SkipValidation
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.events.schemas import Event, Receipt
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from recsys.api_keys import Scope

router = APIRouter(prefix="/v1/events", tags=["events"], route_class=DirectRoute, dependencies=[needs(Scope.EVENTS)])

# Checked row by row by the collector, so that bad rows do not block good ones.
Events = Annotated[SkipValidation[Event | list[Event]], Body(description="One event, or a list of up to 1,000.")]


@router.post(
    "",
    response_model=Receipt,
    responses=responses(400, 401, 403, 413, 422, 500, 503),
    summary="Collect events",
    operation_id="collectEvents",
)
async def collect(request: Request, events: Events) -> Response:
    """Store events. A 200 is sent after the commit: `stored` and `duplicates` are safe.

    Rows that are not usable are listed under `rejected` with what to correct, and the others are stored all the same;
    only when no row is usable the answer is 422. Retry after a 503 or a lost answer with the same `event_id`s.
    """
    receipt = await request.app.state.collector.collect(events)
    return Response(orjson.dumps(receipt.model_dump()), media_type="application/json")

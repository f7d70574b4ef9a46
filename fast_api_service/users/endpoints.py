"""`/v1/users/…`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Limit, UserPath
from fast_api_service.users import service
from fast_api_service.users.schemas import Erased, Export, Merge, Merged, UserEvents
from recsys.api_keys import Scope

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=DirectRoute)


@router.get(
    "/{user_id:path}/events",
    dependencies=[needs(Scope.READ)],
    response_model=UserEvents,
    responses=responses(401, 403, 422, 500),
    summary="A user's newest events",
    operation_id="listUserEvents",
)
async def events(request: Request, user_id: UserPath, limit: Limit = 50) -> Response:
    """Events collected through the API, newest first; none for an unknown user.

    While Postgres is away they come from the recent store of this host, which keeps fewer and without prices.
    """
    return _json(await service.newest_events(request.app.state.service, user_id, limit))


@router.get(
    "/{user_id:path}/export",
    dependencies=[needs(Scope.ADMIN)],
    response_model=Export,
    responses=responses(401, 403, 422, 500, 503),
    summary="All that is held of a user",
    operation_id="exportUser",
)
async def export(request: Request, user_id: UserPath) -> Response:
    """Events, lists, the customer's data and vector, and sessions that merged; takes seconds in a large shop."""
    return _json(await service.export(request.app.state.service, user_id))


@router.post(
    "/{user_id:path}/merge",
    dependencies=[needs(Scope.EVENTS)],
    response_model=Merged,
    responses=responses(400, 401, 403, 413, 422, 500, 503),
    summary="Merge a guest's session into an account",
    operation_id="mergeSession",
)
async def merge(
    request: Request, user_id: UserPath, body: Annotated[Merge, Body(description="The guest's session.")]
) -> Response:
    """Call it when a guest logs in: what the session did without a user is the user's from the next request on.

    Calling it again merges what came since. Events that already had a user stay theirs.
    """
    state = request.app.state
    return _json(await service.merge(state.service, state.collector, user_id, body.session_id))


@router.delete(
    "/{user_id:path}",
    dependencies=[needs(Scope.ADMIN)],
    response_model=Erased,
    responses=responses(401, 403, 422, 500, 503),
    summary="Erase a user",
    operation_id="eraseUser",
)
async def erase(request: Request, user_id: UserPath) -> Response:
    """Deletes events, lists, vectors and the customer's data, and reports what it deleted; takes some seconds.

    From then on nothing that was published of the user is shown, though files from before still hold it. What the user
    does later is collected as anybody's.
    """
    return _json(await service.erase(request.app.state.service, user_id))


def _json(document: dict[str, object]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")

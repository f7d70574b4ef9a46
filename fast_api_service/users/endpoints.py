"""`/v1/users/…`."""

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Limit, UserPath
from fast_api_service.users import service
from fast_api_service.users.schemas import UserEvents
from recsys.api_keys import Scope

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=DirectRoute, dependencies=[needs(Scope.READ)])


@router.get(
    "/{user_id:path}/events",
    response_model=UserEvents,
    responses=responses(401, 403, 422, 500),
    summary="A user's newest events",
    operation_id="listUserEvents",
)
async def events(request: Request, user_id: UserPath, limit: Limit = 50) -> Response:
    """Events collected through the API, newest first; none for an unknown user.

    While Postgres is away they come from the recent store of this host, which keeps fewer and without prices.
    """
    document = await service.newest_events(request.app.state.service, user_id, limit)
    return Response(orjson.dumps(document), media_type="application/json")

"""`/v1/configuration…`."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from fast_api_service.auth import key_name, needs
from fast_api_service.configuration import service
from fast_api_service.configuration.schemas import History, Proposal, Rollback, Version
from fast_api_service.database import database_errors
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Limit
from recsys.api_keys import Scope

router = APIRouter(
    prefix="/v1/configuration", tags=["configuration"], route_class=DirectRoute, dependencies=[needs(Scope.ADMIN)]
)
ERRORS = responses(401, 403, 422, 500, 503)
BODY_ERRORS = ERRORS | responses(400, 409, 413)
VersionPath = Annotated[int, Path(ge=0, lt=2**63, description="0 is the built-in configuration.", examples=[7])]
KEPT_THERE = "Configurations are kept there."


@router.get(
    "", response_model=Version, responses=ERRORS, summary="What placements show", operation_id="getConfiguration"
)
async def newest(request: Request) -> Response:
    """The newest version; within a second of a change it is in use."""
    state = request.app.state.service
    with database_errors(KEPT_THERE):
        return _json(await service.newest(state.pool, state.decisions))


@router.put("", response_model=Version, responses=BODY_ERRORS, summary="Change it", operation_id="putConfiguration")
async def propose(request: Request, proposal: Annotated[Proposal, Body()]) -> Response:
    """Add a version. Versions are never changed, so every earlier one can be read, compared and brought back."""
    with database_errors("Nothing was changed."):
        return _json(await service.propose(request.app.state.service.pool, proposal, key_name(request)))


@router.get(
    "/history", response_model=History, responses=ERRORS, summary="Who changed what", operation_id="listConfigurations"
)
async def history(
    request: Request,
    before: Annotated[int, Query(ge=1, lt=2**63, description="`before` of the page that this one follows.")]
    | None = None,
    limit: Limit = 20,
) -> Response:
    """Versions, newest first, each with who made it, when, why, and every value that differs from the one before."""
    with database_errors(KEPT_THERE):
        return _json(await service.history(request.app.state.service.pool, before, limit))


@router.post(
    "/rollback",
    response_model=Version,
    responses=BODY_ERRORS | responses(404),
    summary="Bring an earlier version back",
    operation_id="rollBackConfiguration",
)
async def roll_back(request: Request, rollback: Annotated[Rollback, Body()]) -> Response:
    """Add a version with the content of an earlier one."""
    pool = request.app.state.service.pool
    with database_errors("Nothing was changed."):
        return _json(await service.roll_back(pool, rollback.version, key_name(request), rollback.comment))


@router.get(
    "/{version}",
    response_model=Version,
    responses=ERRORS | responses(404, 409),
    summary="An earlier version",
    operation_id="getConfigurationVersion",
)
async def one(request: Request, version: VersionPath) -> Response:
    """A version as it was made; 409 for one that this release cannot read any more."""
    with database_errors(KEPT_THERE):
        return _json(await service.one(request.app.state.service.pool, version))


def _json(document: dict[str, Any]) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")

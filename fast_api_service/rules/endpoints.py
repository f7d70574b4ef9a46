"""`/v1/rules…`."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from fast_api_service.auth import key_name, needs
from fast_api_service.database import database_errors
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.rules import service
from fast_api_service.rules.schemas import Audit, Outcome, RuleId, StoredRule, StoredRules, Trial
from fast_api_service.schemas import Limit
from recsys.api_keys import Scope
from recsys.placements.rules import Rule

router = APIRouter(prefix="/v1/rules", tags=["rules"], route_class=DirectRoute, dependencies=[needs(Scope.ADMIN)])
ERRORS = responses(401, 403, 422, 500, 503)
RulePath = Annotated[RuleId, Path(description="Chosen by the shop.", examples=["black-friday"])]
KEPT_THERE, UNCHANGED = "Rules are kept there.", "Nothing was changed."


@router.get("", response_model=StoredRules, responses=ERRORS, summary="All rules", operation_id="listRules")
async def every(request: Request) -> Response:
    """Those in force, those to come and those that are over."""
    with database_errors(KEPT_THERE):
        return _json(await service.every(request.app.state.service))


@router.get("/audit", response_model=Audit, responses=ERRORS, summary="Who changed rules", operation_id="auditRules")
async def audit(
    request: Request,
    rule_id: Annotated[RuleId, Query(description="Of this rule; left out: of all.")] | None = None,
    before: Annotated[int, Query(ge=1, lt=2**63, description="`before` of the page that this one follows.")]
    | None = None,
    limit: Limit = 20,
) -> Response:
    """Every change, newest first, also of rules that were deleted."""
    with database_errors(KEPT_THERE):
        return _json(await service.audit(request.app.state.service, rule_id, before, limit))


@router.post(
    "/preview",
    response_model=Outcome,
    responses=responses(400, 401, 403, 413, 422, 500),
    summary="Try rules",
    operation_id="previewRules",
)
async def preview(request: Request, trial: Annotated[Trial, Body()]) -> Response:
    """What is shown now, and what would be shown with these rules; nothing is changed, nothing counted."""
    state = request.app.state
    return _json(await service.preview(state.service, state.recommender, trial))


@router.get(
    "/{rule_id}",
    response_model=StoredRule,
    responses=ERRORS | responses(404),
    summary="A rule",
    operation_id="getRule",
)
async def one(request: Request, rule_id: RulePath) -> Response:
    """As it was last put."""
    with database_errors(KEPT_THERE):
        return _json(await service.one(request.app.state.service, rule_id))


@router.put(
    "/{rule_id}",
    response_model=StoredRule,
    responses=ERRORS
    | responses(400, 409, 413)
    | {201: {"model": StoredRule, "description": "There was no rule with this id."}},
    summary="Create or replace a rule",
    operation_id="putRule",
)
async def put(request: Request, rule_id: RulePath, rule: Annotated[Rule, Body()]) -> Response:
    """In force within a second of its start; 409 with both ids when it contradicts another rule."""
    with database_errors(UNCHANGED):
        found, new = await service.put(request.app.state.service, rule_id, rule, key_name(request))
    return _json(found, 201 if new else 200)


@router.delete(
    "/{rule_id}",
    status_code=204,
    responses=ERRORS | responses(404),
    summary="Delete a rule",
    operation_id="deleteRule",
)
async def delete(request: Request, rule_id: RulePath) -> Response:
    """What it said stays in the audit trail."""
    with database_errors(UNCHANGED):
        await service.delete(request.app.state.service, rule_id, key_name(request))
    return Response(status_code=204)


def _json(document: dict[str, Any], status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")

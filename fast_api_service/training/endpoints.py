"""`/v1/training…`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from fast_api_service.auth import key_name, needs
from fast_api_service.database import database_errors
from fast_api_service.problems import ProblemError, responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Limit
from fast_api_service.training import repository
from fast_api_service.training.schemas import State, Training, Trainings, Wish
from recsys.api_keys import Scope
from recsys.schema import TrainedModel

router = APIRouter(prefix="/v1/training", tags=["training"], route_class=DirectRoute, dependencies=[needs(Scope.ADMIN)])
ERRORS = responses(401, 403, 422, 500, 503)
RequestId = Annotated[int, Path(ge=1, lt=2**63, description="As given when it was asked for.", examples=[12])]


@router.post(
    "",
    status_code=202,
    response_model=Training,
    responses=ERRORS
    | responses(400, 413)
    | {200: {"model": Training, "description": "It was asked for before, and is still waiting or running."}},
    summary="Ask for training",
    operation_id="requestTraining",
)
async def ask(request: Request, wish: Annotated[Wish, Body()]) -> Response:
    """Queue the training of a model; the worker starts it within seconds, through Airflow.

    A model has one open request at most: asking again gives that one back, with 200. The trained model goes into
    service only if the gate lets it pass.
    """
    with database_errors("Nothing was queued."):
        found, made = await repository.ask(request.app.state.service.pool, wish.model, key_name(request))
    return Response(orjson.dumps(found), 202 if made else 200, media_type="application/json")


@router.get(
    "",
    response_model=Trainings,
    responses=ERRORS,
    summary="Requests for training",
    operation_id="listTraining",
)
async def listed(
    request: Request,
    model: Annotated[TrainedModel, Query(description="Left out: all models.")] | None = None,
    state: Annotated[State, Query(description="Left out: all states.")] | None = None,
    before: Annotated[int, Query(ge=1, lt=2**63, description="`before` of the page that this one follows.")]
    | None = None,
    limit: Limit = 20,
) -> Response:
    """Newest first, with state, duration, peak memory, hyperparameters, metrics, and outcome of the gate."""
    with database_errors("Requests for training are kept there."):
        found = await repository.page(request.app.state.service.pool, model, state, before, limit)
    more = found[-1]["request_id"] if len(found) == limit else None
    return Response(orjson.dumps({"requests": found, "before": more}), media_type="application/json")


@router.get(
    "/{request_id}",
    response_model=Training,
    responses=ERRORS | responses(404),
    summary="One request for training",
    operation_id="getTraining",
)
async def one(request: Request, request_id: RequestId) -> Response:
    """Its state, and once it is over what is known of the training."""
    with database_errors("Requests for training are kept there."):
        found = await repository.one(request.app.state.service.pool, request_id)
    if found is None:
        raise ProblemError(
            404, "unknown-training", f"There is no request {request_id}.", remedy="See `GET /v1/training`."
        )
    return Response(orjson.dumps(found), media_type="application/json")

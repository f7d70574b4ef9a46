"""The storefront recommender's contract: `/store_object(s)`, `/predict`, `/predict/product_positions`, `/dashboard`."""

from datetime import datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, Field, SkipValidation, ValidationError
from starlette.responses import Response

from fast_api_service.auth import check_scope, needs
from fast_api_service.catalog.categories import CATEGORY
from fast_api_service.catalog.products import PRODUCT
from fast_api_service.catalog.records import Change
from fast_api_service.catalog.routes import records_of
from fast_api_service.contracts import storefront_catalogue as catalogue
from fast_api_service.contracts import storefront_feedback as feedback
from fast_api_service.contracts import storefront_models as models
from fast_api_service.contracts.storefront_dashboard import dashboard
from fast_api_service.contracts.storefront_objects import (
    EVENTS,
    KEPT,
    KNOWN,
    Category,
    Config,
    Known,
    Order,
    TrainerQueueItem,
)
from fast_api_service.contracts.storefront_predictions import Prediction, PredictionRequest, predict
from fast_api_service.database import database_errors
from fast_api_service.events.service import MOST_EVENTS
from fast_api_service.problems import FieldProblem, ProblemError, field_problems, invalid, responses
from fast_api_service.routing import DirectRoute
from recsys.api_keys import Scope
from recsys.errors import NotReadyError

router = APIRouter(tags=["contract: storefront"], route_class=DirectRoute)
ERRORS = responses(401, 403, 422, 500, 503)
BODY_ERRORS = ERRORS | responses(400, 413)
PREDICTION_ERRORS = responses(400, 401, 403, 413, 422, 500)  # no server is asked
STORING = [needs(Scope.CATALOG), needs(Scope.EVENTS)]

# Checked row by row, so that bad rows do not block good ones.
OneObject = Annotated[SkipValidation[Known], Body(description="An object with its `_model_class`.")]
Objects = Annotated[SkipValidation[list[Known]], Body(description=f"Up to {MOST_EVENTS:,} objects.")]


class RejectedObject(BaseModel):
    """An object that was not stored, and why."""

    index: int | None = Field(description="Its place in the request, from 0; null for a product told of earlier.")
    errors: list[FieldProblem]


class StoreReceipt(BaseModel):
    """What became of the objects of a request; those not listed are stored."""

    stored: int
    rejected: list[RejectedObject]


@router.post(
    "/store_object",
    response_model=StoreReceipt,
    responses=BODY_ERRORS | responses(409),
    summary="Store an object",
    operation_id="contractStoreObject",
    dependencies=STORING,
)
async def store_object(request: Request, told: OneObject) -> Response:
    """Catalogue, feedback, configuration, or a model to train: as `_model_class` says. The last two need `admin`."""
    return _json(await _store(request, [told]))


@router.post(
    "/store_objects",
    response_model=StoreReceipt,
    responses=BODY_ERRORS | responses(409),
    summary="Store objects",
    operation_id="contractStoreObjects",
    dependencies=STORING,
)
async def store_objects(request: Request, told: Objects) -> Response:
    """Rows that are not usable are listed under `rejected`, the others are stored; 422 when none is usable."""
    return _json(await _store(request, told))


@router.post(
    "/predict",
    response_model=list[Prediction],
    responses=PREDICTION_ERRORS,
    summary="Article numbers to show",
    operation_id="contractPredict",
    dependencies=[needs(Scope.READ)],
)
async def predictions(request: Request, asked: Annotated[PredictionRequest, Body()]) -> Response:
    """Ordered, best first. A category has all of its variants, those that are sold out last; without any: `[]`."""
    found, answer_id = predict(request, asked)
    return _json(
        [
            {
                "product_variant_sku": each.sku,
                "rs_info": {
                    "recommendation_type": asked.recommendation_type,
                    "model_identifier": answer_id,
                    "model_name": each.source,
                    "position": position,
                },
            }
            for position, each in enumerate(found)
        ]
    )


@router.post(
    "/predict/product_positions",
    response_model=dict[str, int],
    responses=PREDICTION_ERRORS,
    summary="Where products stand",
    operation_id="contractPredictPositions",
    dependencies=[needs(Scope.READ)],
)
async def product_positions(request: Request, asked: Annotated[PredictionRequest, Body()]) -> Response:
    """Of each product the position of its best variant in the list of `/predict`, from 0."""
    found, _ = predict(request, asked)
    positions: dict[str, int] = {}
    for position, each in enumerate(found):
        positions.setdefault(each.product_id, position)
    return _json(positions)


@router.get(
    "/dashboard",
    response_model=dict[str, Any],
    responses=ERRORS,
    summary="Performance, training, configuration",
    operation_id="contractDashboard",
    dependencies=[needs(Scope.ADMIN)],
)
async def show_dashboard(
    request: Request,
    date_from: Annotated[datetime, Query(description="ISO 8601; figures are those of whole days, UTC.")],
    date_to: Annotated[datetime, Query(description="ISO 8601.")],
) -> Response:
    """The contract's models stand for our sources: see docs/api.md."""
    if not (date_from.year >= 2000 and date_from.date() <= date_to.date() and date_to.year < 3000):
        message = "The time from date_from to date_to is none, or not of this millennium"
        problem = FieldProblem(
            field="query.date_from",
            value=date_from.isoformat(),
            message=message,
            remedy="Give a time before date_to.",
            reason="date_range",
        )
        raise invalid([problem])
    with database_errors("Reports are made from it."):
        document = await dashboard(request, await _dataset(request), date_from.date(), date_to.date())
    return _json(document)


async def _store(request: Request, rows: Any) -> dict[str, Any]:
    """Store what is usable, kind by kind: what others refer to first."""
    if not isinstance(rows, list) or not 0 < len(rows) <= MOST_EVENTS:
        raise ProblemError(
            422, "invalid", "The body is no list of objects.", remedy=f"Send 1 to {MOST_EVENTS} objects at a time."
        )
    rejected: dict[int | None, list[FieldProblem]] = {}
    usable: dict[int, Any] = {}
    for index, row in enumerate(rows):
        try:
            usable[index] = KNOWN.validate_python(row)
        except ValidationError as error:
            rejected[index] = field_problems(error.errors(include_url=False), "body", index)
    if any(isinstance(each, Config | TrainerQueueItem) for each in usable.values()):
        check_scope(request, Scope.ADMIN)
    with database_errors("Nothing of this request was stored."):
        dataset = await _dataset(request)
    await _store_categories(request, usable, rejected)
    await _store_catalogue(request, dataset, usable, rejected)
    await _store_events(request, dataset, usable, rejected)
    for index, told in usable.items():
        try:
            if isinstance(told, Config):
                await models.configure(request, told)
            elif isinstance(told, TrainerQueueItem):
                await models.queue_training(request, told)
        except ProblemError as error:
            if error.status != 422:
                raise
            rejected[index] = [FieldProblem(**found) for found in error.extra["errors"]]
    listed = [{"index": index, "errors": [each.model_dump() for each in found]} for index, found in rejected.items()]
    if not usable.keys() - rejected.keys():
        raise ProblemError(
            422,
            "no-usable-object",
            f"None of the {len(rows)} objects is usable; nothing was stored.",
            remedy="Correct the rows listed under `rejected`.",
            rejected=listed,
        )
    return {"stored": len(usable.keys() - rejected.keys()), "rejected": listed}


async def _store_categories(request: Request, usable: dict[int, Any], rejected: dict[Any, list[FieldProblem]]) -> None:
    told = {index: each for index, each in usable.items() if isinstance(each, Category)}
    changes = [Change(each.id, {"parent_id": each.parent_id}) for each in told.values()]
    outcomes = await records_of(request, CATEGORY).change_many(changes) if changes else []
    rejected |= {index: [each.problem] for index, each in zip(told, outcomes, strict=True) if each.problem}


async def _store_catalogue(
    request: Request, dataset: str, usable: dict[int, Any], rejected: dict[Any, list[FieldProblem]]
) -> None:
    told = {index: each for index, each in usable.items() if type(each) in KEPT}
    if not told:
        return
    outcomes = await catalogue.keep(records_of(request, PRODUCT), dataset, list(told.values()))
    products = {each.id: index for index, each in told.items() if type(each).__name__ == "Product"}
    for key, outcome in outcomes.items():
        if outcome.problem:
            rejected.setdefault(products.get(key), []).append(outcome.problem)


async def _store_events(
    request: Request, dataset: str, usable: dict[int, Any], rejected: dict[Any, list[FieldProblem]]
) -> None:
    told = {index: each for index, each in usable.items() if isinstance(each, EVENTS)}
    state = request.app.state
    with database_errors("Nothing of this request was stored."):
        orders = [each for each in told.values() if isinstance(each, Order)]
        products = await feedback.bought(state.service.pool, dataset, orders)
    rows = [(index, event) for index, each in told.items() for event in feedback.events(each, products)]
    for start in range(0, len(rows), MOST_EVENTS):
        some = rows[start : start + MOST_EVENTS]
        try:
            receipt = await state.collector.collect([event for _, event in some])
            refused = [each.model_dump() for each in receipt.rejected]
        except ProblemError as error:
            if error.kind != "no-usable-event":
                raise
            refused = error.extra["rejected"]
        for each in refused:
            rejected.setdefault(some[each["index"]][0], []).extend(FieldProblem(**found) for found in each["errors"])


async def _dataset(request: Request) -> str:
    name = await request.app.state.service.pool.fetchval("select name from raw.datasets where is_active")
    if name is None:
        raise NotReadyError("There is no dataset to store in.", remedy="Load one with `recsys load SOURCE PATH`.")
    return str(name)


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")

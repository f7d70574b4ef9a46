"""`/v1/reports/…`."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.database import database_errors
from fast_api_service.problems import FieldProblem, invalid, responses
from fast_api_service.reports.configuration import configuration
from fast_api_service.reports.performance import Grouping, performance
from fast_api_service.reports.schemas import ConfigurationReport, Performance, TrainingReport
from fast_api_service.reports.training import training
from fast_api_service.routing import DirectRoute
from fast_api_service.state import ServiceState
from recsys.api_keys import Scope
from recsys.errors import NotReadyError
from recsys.schema import Placement

router = APIRouter(prefix="/v1/reports", tags=["reports"], route_class=DirectRoute, dependencies=[needs(Scope.ADMIN)])
ERRORS = responses(401, 403, 422, 500, 503)
MOST_DAYS = 400
USUAL_DAYS = 30

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2999, 12, 31))]
From = Annotated[Day, Query(description=f"First day, UTC; left out: {USUAL_DAYS} days up to `date_to`.")]
To = Annotated[Day, Query(description="Last day, UTC; left out: today.")]


@router.get(
    "/performance",
    response_model=Performance,
    responses=ERRORS,
    summary="What recommendations brought",
    operation_id="reportPerformance",
)
async def report_performance(
    request: Request,
    date_from: From | None = None,
    date_to: To | None = None,
    placement: Annotated[Placement, Query(description="Left out: all of them.")] | None = None,
    by: Annotated[Grouping, Query(description="What a row stands for, beside placement and source.")] = Grouping.DAY,
) -> Response:
    """Predictions, impressions, clicks, hit rates, coverage, conversions and revenue by placement and source.

    A purchase counts for the answer whose `recommendation_id` it carries, or else for the shopper's newest click on the
    item; both within `REPORTS_ATTRIBUTION_DAYS`. Hit rates look at the first `REPORTS_K` items.
    """
    start, end = _range(date_from, date_to)
    return await _report(request, lambda state, dataset: performance(state.pool, dataset, start, end, by, placement))


@router.get(
    "/training",
    response_model=TrainingReport,
    responses=ERRORS,
    summary="How training went",
    operation_id="reportTraining",
)
async def report_training(request: Request, date_from: From | None = None, date_to: To | None = None) -> Response:
    """Runs of each step with durations and peak memory, requests for training, what the gate last decided."""
    start, end = _range(date_from, date_to)
    return await _report(request, lambda state, dataset: training(state.pool, dataset, start, end))


@router.get(
    "/configuration",
    response_model=ConfigurationReport,
    responses=ERRORS,
    summary="What is configured",
    operation_id="reportConfiguration",
)
async def report_configuration(request: Request) -> Response:
    """Placements with their cascades, rules, tuned settings, and the models in service."""
    return await _report(request, configuration)


async def _report(request: Request, make: Callable[[ServiceState, str], Awaitable[dict[str, Any]]]) -> Response:
    state: ServiceState = request.app.state.service
    with database_errors("Reports are made from it."):
        dataset = await state.pool.fetchval("select name from raw.datasets where is_active")
        if dataset is None:
            raise NotReadyError("There is no dataset to report on.", remedy="Load one with `recsys load SOURCE PATH`.")
        document = await make(state, dataset)
    return Response(orjson.dumps(document), media_type="application/json")


def _range(start: date | None, end: date | None) -> tuple[date, date]:
    end = end or datetime.now(UTC).date()
    start = start or end - timedelta(days=USUAL_DAYS - 1)
    if start > end or (end - start).days >= MOST_DAYS:
        raise invalid(
            [
                FieldProblem(
                    field="query.date_from",
                    value=start.isoformat(),
                    message=f"The days from {start} to {end} are none, or more than {MOST_DAYS}",
                    remedy=f"Give a day up to date_to, and at most {MOST_DAYS} days.",
                    reason="date_range",
                )
            ]
        )
    return start, end

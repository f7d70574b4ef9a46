"""`/v1/recommendations…`."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.problems import responses
from fast_api_service.recommendations.schemas import Basket, Recommendations
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier, Limit, UserPath
from recsys.api_keys import Scope
from recsys.schema import Placement

router = APIRouter(
    prefix="/v1/recommendations",
    tags=["recommendations"],
    route_class=DirectRoute,
    dependencies=[needs(Scope.READ)],
)
ERRORS = responses(401, 403, 422, 500)
UserQuery = Annotated[Identifier, Query(description="The shop's id of the user; left out: a guest.")]
CategoryQuery = Annotated[Identifier, Query(description="The shop's id of the category; left out: the whole shop.")]


@router.get(
    "",
    response_model=Recommendations,
    responses=ERRORS,
    summary="What to show",
    operation_id="recommend",
)
async def recommend(
    request: Request,
    user_id: UserQuery | None = None,
    limit: Limit | None = None,
    placement: Annotated[Placement, Query(description="Where in the shop it is shown.")] = Placement.HOME,
) -> Response:
    """Ranked, personalized, online and default items, in this order, until there are `limit` of them.

    Events newer than the user's list are answered at once: every second item then is a neighbour of what the user
    just did. Items that the user bought, or that are not available now, are never shown.
    """
    return _json(request.app.state.recommender.home(user_id, limit or _default_limit(request)))


@router.get(
    "/default",
    response_model=Recommendations,
    responses=ERRORS,
    summary="What is popular",
    operation_id="recommendDefault",
)
async def default(request: Request, category_id: CategoryQuery | None = None, limit: Limit | None = None) -> Response:
    """Popular items of the shop, or of a category; short or unknown categories are topped up from the shop."""
    return _json(request.app.state.recommender.default(category_id, limit or _default_limit(request)))


@router.get(
    "/personalized/{user_id:path}",
    response_model=Recommendations,
    responses=ERRORS,
    summary="A user's personalized list",
    operation_id="recommendPersonalized",
)
async def personalized(request: Request, user_id: UserPath, limit: Limit | None = None) -> Response:
    """The list that the pipeline made for the user, topped up with popular items (all of it for an unknown user)."""
    return _json(request.app.state.recommender.personalized(user_id, limit or _default_limit(request)))


@router.get(
    "/online/{user_id:path}",
    response_model=Recommendations,
    responses=ERRORS,
    summary="A reaction to the user's last events",
    operation_id="recommendOnline",
)
async def online(request: Request, user_id: UserPath, limit: Limit | None = None) -> Response:
    """Neighbours of the user's last events, recent ones counting more, topped up with popular items."""
    return _json(request.app.state.recommender.online(user_id, limit or _default_limit(request)))


@router.post(
    "/online",
    response_model=Recommendations,
    responses=ERRORS | responses(400, 413),
    summary="A reaction to a guest's items",
    operation_id="recommendOnlineForGuest",
)
async def online_for_guest(request: Request, basket: Annotated[Basket, Body()]) -> Response:
    """Neighbours of the items given, the last ones counting more; never these items themselves."""
    limit = basket.limit or _default_limit(request)
    return _json(request.app.state.recommender.online_for_guest(basket.item_ids, limit))


def _default_limit(request: Request) -> int:
    limit: int = request.app.state.settings.default_limit
    return limit


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")

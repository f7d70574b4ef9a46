"""`/v1/recommendations…`."""

from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.problems import responses
from fast_api_service.recommendations.questions import question_of, split_ids
from fast_api_service.recommendations.schemas import Asked, AskedPositions, Basket, Positions, Recommendations
from fast_api_service.recommendations.view import Question
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier, IdList, Limit, UserPath
from recsys.api_keys import Scope
from recsys.schema import Placement

router = APIRouter(
    prefix="/v1/recommendations",
    tags=["recommendations"],
    route_class=DirectRoute,
    dependencies=[needs(Scope.READ)],
)
ERRORS = responses(401, 403, 422, 500)
BODY_ERRORS = ERRORS | responses(400, 413)
UserQuery = Annotated[Identifier, Query(description="The shop's id of the user; left out: a guest.")]
SessionQuery = Annotated[Identifier, Query(description="The shop's id of the session, for guests and beside a user.")]
CategoryQuery = Annotated[Identifier, Query(description="The shop's id of the category; left out: the whole shop.")]
OnPage = Annotated[
    IdList,
    Query(description="The product shown, or what is in the cart: ids with commas between. All of them count."),
]
Excluded = Annotated[IdList, Query(description="Items that are not to be shown: ids with commas between.")]


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
    session_id: SessionQuery | None = None,
    item_ids: OnPage | None = None,
    category_id: CategoryQuery | None = None,
    exclude: Excluded | None = None,
) -> Response:
    """What the placement's configuration says: its first source that has something answers, the others top up.

    Never shown are what is on the page or in the cart, what was bought (unless it is of a repeatable category) or
    disliked, what is hidden or out of stock, and what rules exclude. `product` needs `item_ids`, `category` needs
    `category_id`; a category's page brings what is out of stock last instead of never. On the home page, events newer
    than the shopper's list are answered at once: every second item then is a neighbour of what was just done.
    Ids that hold a comma can be given by POST.
    """
    limit = limit or _default_limit(request)
    if item_ids is None and exclude is None and session_id is None and category_id is None:
        question = Question(user_id, limit)
    else:
        question = Question(
            user_id, limit, session_id, split_ids("item_ids", item_ids), category_id, split_ids("exclude", exclude)
        )
    return _json(request.app.state.recommender.recommend(*question_of(placement, question)))


@router.post(
    "",
    response_model=Recommendations,
    responses=BODY_ERRORS,
    summary="What to show, asked by POST",
    operation_id="recommendByPost",
)
async def recommend_by_post(request: Request, asked: Annotated[Asked, Body()]) -> Response:
    """The same as by GET, for long carts and for ids of any form."""
    question = asked.question(_default_limit(request))
    return _json(request.app.state.recommender.recommend(*question_of(asked.placement, question)))


@router.get(
    "/positions",
    response_model=Positions,
    responses=responses(401, 403, 404, 422, 500),
    summary="The order of a category",
    operation_id="listPositions",
)
async def positions(
    request: Request,
    category_id: CategoryQuery,
    user_id: UserQuery | None = None,
    session_id: SessionQuery | None = None,
) -> Response:
    """The rank of every item of the category and those below it (the first 10,000), for a shop that sorts by itself.

    What the shopper bought, disliked or has in the cart comes after the rest, what is out of stock last; what is
    hidden, or excluded by rules, has no rank.
    """
    question = Question(user_id, 1, session_id, (), category_id)
    return _json(request.app.state.recommender.positions(question))


@router.post(
    "/positions",
    response_model=Positions,
    responses=responses(400, 401, 403, 404, 413, 422, 500),
    summary="The order of some items of a category",
    operation_id="listPositionsOfItems",
)
async def positions_of_items(request: Request, asked: Annotated[AskedPositions, Body()]) -> Response:
    """The same, for the items given; null for one that has no rank."""
    question = Question(asked.user_id, 1, asked.session_id, (), asked.category_id)
    return _json(request.app.state.recommender.positions(question, asked.item_ids))


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
    responses=BODY_ERRORS,
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

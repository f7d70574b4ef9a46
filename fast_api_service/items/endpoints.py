"""`/v1/items/…`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.items.schemas import SearchResults
from fast_api_service.items.search import like as items_like
from fast_api_service.problems import responses
from fast_api_service.recommendations.schemas import Recommendations
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import PRINTABLE, ItemPath, Limit
from recsys.api_keys import Scope

router = APIRouter(prefix="/v1/items", tags=["items"], route_class=DirectRoute, dependencies=[needs(Scope.READ)])
SearchText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, pattern=PRINTABLE),
    Query(description="What is looked for, in words.", examples=["blue enamel mug"]),
]


@router.get(
    "/search",
    response_model=SearchResults,
    responses=responses(401, 403, 422, 500, 503),
    summary="Items that a text describes",
    operation_id="searchItems",
)
async def search(request: Request, like: SearchText, limit: Limit | None = None) -> Response:
    """Items whose texts and attributes are most like the words given; products are known seconds after they are added.

    Fewer than `limit`, or none, when nothing resembles the text.
    """
    state = request.app.state
    found = await items_like(state.service.pool, like, limit or state.settings.default_limit)
    return Response(orjson.dumps(found), media_type="application/json")


@router.get(
    "/{item_id:path}/similar",
    response_model=Recommendations,
    responses=responses(401, 403, 404, 422, 500),
    summary="Items like this one",
    operation_id="listSimilarItems",
)
async def similar(request: Request, item_id: ItemPath, limit: Limit | None = None) -> Response:
    """The item's neighbours that are available now, topped up with popular items; 404 for an unknown item."""
    state = request.app.state
    return Response(
        state.recommender.similar(item_id, limit or state.settings.default_limit), media_type="application/json"
    )

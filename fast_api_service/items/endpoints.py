"""`/v1/items/…`."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.problems import responses
from fast_api_service.recommendations.schemas import Recommendations
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import ItemPath, Limit
from recsys.api_keys import Scope

router = APIRouter(prefix="/v1/items", tags=["items"], route_class=DirectRoute, dependencies=[needs(Scope.READ)])


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

"""`/v1/customers…` and `/v1/purchases…`."""

from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.catalog.endpoints import After, PageSize
from fast_api_service.catalog.routes import BODY_ERRORS, ERRORS, add_routes, page, records_of
from fast_api_service.customers import purchases as service
from fast_api_service.customers.schemas import (
    CUSTOMER,
    Customer,
    CustomerPage,
    KeptPurchase,
    Purchase,
    PurchaseChange,
    PurchasePage,
)
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier
from recsys.api_keys import Scope

# Who customers are is nothing for a key that only shows recommendations.
customers = APIRouter(
    prefix="/v1/customers", tags=["customers"], route_class=DirectRoute, dependencies=[needs(Scope.CATALOG)]
)
purchases = APIRouter(
    prefix="/v1/purchases", tags=["customers"], route_class=DirectRoute, dependencies=[needs(Scope.CATALOG)]
)


@customers.get(
    "",
    response_model=CustomerPage,
    responses=ERRORS,
    summary="Customers, page by page",
    operation_id="listCustomers",
)
async def list_customers(
    request: Request,
    limit: PageSize = 100,
    after: After | None = None,
    location: Annotated[Identifier, Query()] | None = None,
) -> Response:
    """Customers by id."""
    given = {} if location is None else {"location = {}": location}
    return page("customers", *await records_of(request, CUSTOMER).page(after, limit, given))


add_routes(customers, CUSTOMER, Customer, Scope.CATALOG)


@purchases.post(
    "",
    status_code=201,
    responses={201: {"model": KeptPurchase}, **BODY_ERRORS},
    summary="Tell of a purchase",
    operation_id="createPurchase",
)
async def create_purchase(request: Request, purchase: Annotated[Purchase, Body()]) -> Response:
    """Stored once this is answered; the next recommendation leaves the product out. Many at once: `/v1/events`."""
    return _json(await service.create(request.app.state.collector, purchase), 201)


@purchases.get(
    "",
    response_model=PurchasePage,
    responses=ERRORS,
    summary="A customer's purchases",
    operation_id="listPurchases",
)
async def list_purchases(
    request: Request,
    customer_id: Annotated[Identifier, Query(description="Whose.")],
    limit: PageSize = 100,
    after: After | None = None,
) -> Response:
    """Purchases that came through the API, the newest first; none for an unknown customer."""
    return page("purchases", *await service.of_customer(request.app.state.service.pool, customer_id, after, limit))


@purchases.get(
    "/{id:path}",
    response_model=KeptPurchase,
    responses={**ERRORS, **responses(404)},
    summary="One purchase",
    operation_id="getPurchase",
)
async def get_purchase(request: Request, id: Annotated[Identifier, Path(description="Its id.")]) -> Response:
    """The purchase that was stored under this id."""
    return _json(await service.get(request.app.state.service.pool, id))


@purchases.patch(
    "/{id:path}",
    response_model=KeptPurchase,
    responses={**BODY_ERRORS, **responses(404)},
    summary="Change a purchase",
    operation_id="patchPurchase",
)
async def patch_purchase(
    request: Request,
    id: Annotated[Identifier, Path(description="Its id.")],
    change: Annotated[PurchaseChange, Body()],
) -> Response:
    """Fields that are left out stay as they are. Takes effect as soon as `DELETE` does."""
    given = change.model_dump(include=change.model_fields_set)
    return _json(await service.change(request.app.state.service, id, given))


@purchases.delete(
    "/{id:path}",
    status_code=204,
    responses={**ERRORS, **responses(404)},
    summary="Delete a purchase",
    operation_id="deletePurchase",
)
async def delete_purchase(request: Request, id: Annotated[Identifier, Path(description="Its id.")]) -> Response:
    """Gone for good: reports count it no more, and the product may be recommended to this customer again.

    The next recommendation of this host does, other hosts follow within two seconds. What published lists have known
    since a pipeline's run, they know until the next one.
    """
    await service.delete(request.app.state.service, id)
    return Response(status_code=204)


def _json(document: object, status: int = 200) -> Response:
    return Response(orjson.dumps(document), status, media_type="application/json")

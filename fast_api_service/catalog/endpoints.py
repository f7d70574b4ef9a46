"""`/v1/products…`, `/v1/variants/…` and `/v1/categories…`."""

from datetime import UTC, datetime
from typing import Annotated

import orjson
from fastapi import APIRouter, Body, Path, Query, Request
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.catalog import variants
from fast_api_service.catalog.categories import CATEGORY, Category, CategoryPage
from fast_api_service.catalog.products import PRODUCT, Product, ProductPage, VariantFields
from fast_api_service.catalog.routes import BODY_ERRORS, ERRORS, add_routes, page, records_of
from fast_api_service.catalog.variants import OwnedVariant
from fast_api_service.problems import responses
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier
from recsys.api_keys import Scope

PageSize = Annotated[int, Query(ge=1, le=1000, description="How many records.")]
After = Annotated[Identifier, Query(description="`next` of the page before.")]
SkuPath = Annotated[Identifier, Path(description="The variant's article number.", examples=["mug-1-blue"])]

products = APIRouter(prefix="/v1/products", tags=["catalogue"], route_class=DirectRoute)
categories = APIRouter(prefix="/v1/categories", tags=["catalogue"], route_class=DirectRoute)
skus = APIRouter(prefix="/v1/variants", tags=["catalogue"], route_class=DirectRoute)


@products.get(
    "",
    response_model=ProductPage,
    responses=ERRORS,
    summary="Products, page by page",
    operation_id="listProducts",
    dependencies=[needs(Scope.READ)],
)
async def list_products(
    request: Request,
    limit: PageSize = 100,
    after: After | None = None,
    category_id: Annotated[Identifier, Query(description="Of this very category.")] | None = None,
    brand: Annotated[Identifier, Query()] | None = None,
    tag: Annotated[Identifier, Query()] | None = None,
    is_available: Annotated[bool, Query(description="To be had now: available, and in stock.")] | None = None,
    is_hidden: bool | None = None,
    min_price: Annotated[float, Query(ge=0, allow_inf_nan=False)] | None = None,
    max_price: Annotated[float, Query(ge=0, allow_inf_nan=False)] | None = None,
    updated_since: Annotated[datetime, Query(description="ISO 8601; without an offset it is UTC.")] | None = None,
) -> Response:
    """Products by id, those that all given filters let through."""
    conditions = {
        "category_id = {}": category_id,
        "brand = {}": brand,
        "{} = any(tags)": tag,
        "(is_available and coalesce(stock, 1) > 0) = {}": is_available,
        "is_hidden = {}": is_hidden,
        "price >= {}": min_price,
        "price <= {}": max_price,
        "updated_at >= {}": updated_since and _aware(updated_since),
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    return page("products", *await records_of(request, PRODUCT).page(after, limit, given))


@categories.get(
    "",
    response_model=CategoryPage,
    responses=ERRORS,
    summary="Categories, page by page",
    operation_id="listCategories",
    dependencies=[needs(Scope.READ)],
)
async def list_categories(
    request: Request,
    limit: PageSize = 100,
    after: After | None = None,
    parent_id: Annotated[Identifier, Query(description="Directly below this one.")] | None = None,
) -> Response:
    """Categories by id."""
    given = {} if parent_id is None else {"parent_id = {}": parent_id}
    return page("categories", *await records_of(request, CATEGORY).page(after, limit, given))


@skus.get(
    "/{sku:path}",
    response_model=OwnedVariant,
    responses={**ERRORS, **responses(404)},
    summary="One variant, and its product",
    operation_id="getVariant",
    dependencies=[needs(Scope.READ)],
)
async def get_variant(request: Request, sku: SkuPath) -> Response:
    """The variant with this article number."""
    return _json(await variants.get(records_of(request, PRODUCT), sku))


@skus.patch(
    "/{sku:path}",
    response_model=OwnedVariant,
    responses={**BODY_ERRORS, **responses(404)},
    summary="Change a variant",
    operation_id="patchVariant",
    dependencies=[needs(Scope.CATALOG)],
)
async def patch_variant(request: Request, sku: SkuPath, variant: Annotated[VariantFields, Body()]) -> Response:
    """Fields that are left out stay as they are; the product's stock becomes the sum of its variants'."""
    given = variant.model_dump(include=variant.model_fields_set)
    return _json(await variants.change(records_of(request, PRODUCT), sku, given))


add_routes(products, PRODUCT, Product, Scope.READ)
add_routes(categories, CATEGORY, Category, Scope.READ)


def _json(document: object) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")


def _aware(time: datetime) -> datetime:
    return time if time.tzinfo else time.replace(tzinfo=UTC)

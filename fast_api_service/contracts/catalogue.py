"""The contract of a catalogue with vectors: customers, categories, products, purchases, and what to recommend.

Its ids are whole numbers and made by the server; ids that a shop gave elsewhere, in any form, work as well.
"""

import random
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse

from fast_api_service.auth import needs
from fast_api_service.catalog.categories import CATEGORY
from fast_api_service.catalog.etags import Condition
from fast_api_service.catalog.kinds import Fields, Kind
from fast_api_service.catalog.products import PRODUCT
from fast_api_service.catalog.records import Change
from fast_api_service.catalog.routes import records_of
from fast_api_service.contracts.catalogue_schemas import (
    CategoryCreate,
    CategoryDTO,
    CategoryUpdate,
    CustomerCreate,
    CustomerDTO,
    CustomerPurchases,
    CustomerUpdate,
    ProductCreate,
    ProductDTO,
    ProductInfo,
    ProductUpdate,
    PurchaseCreate,
    PurchaseDTO,
    PurchaseUpdate,
    RecommendedProduct,
)
from fast_api_service.contracts.ids import given_id, shown_id
from fast_api_service.customers import purchases
from fast_api_service.customers.schemas import CUSTOMER, Purchase
from fast_api_service.database import database_errors
from fast_api_service.problems import ProblemError, responses
from fast_api_service.recommendations.view import Question
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier
from recsys.api_keys import Scope
from recsys.schema import Placement

router = APIRouter(tags=["contract: catalogue"], route_class=DirectRoute)
ERRORS = responses(401, 403, 422, 500, 503)
BODY_ERRORS = ERRORS | responses(400, 413)
PAGE = 1000
TOP_K = 10
MOST_PURCHASES = 1000
MOST_TRIES = 5

READING, WRITING = [needs(Scope.READ)], [needs(Scope.CATALOG)]
IdPath = Annotated[Identifier, Path(description="The id, a whole number as a rule.", examples=["7"])]

_TITLES = """
select wanted.item_id, coalesce(product.title, item.title) as title,
       coalesce(product.category_id, item.category_id) as category_id, category.title as category, product.tags
from unnest($2::text[]) with ordinality as wanted (item_id, place)
left join shop.products product on (product.dataset, product.product_id) = ($1, wanted.item_id)
left join recs.item_state item on (item.dataset, item.item_id) = ($1, wanted.item_id)
left join shop.categories category
    on (category.dataset, category.category_id) = ($1, coalesce(product.category_id, item.category_id))
order by wanted.place
"""


def _add_record_routes(
    path: str, kind: Kind, create: type[BaseModel], update: type[BaseModel], kept: type[BaseModel], reading: Any
) -> None:
    """List, read, create, replace and delete records of one kind."""
    noun = kind.noun
    new_record, record_with_id = Annotated[create, Body()], Annotated[update, Body()]  # type: ignore[valid-type]

    @router.get(
        f"/{path}/",
        response_model=list[kept],  # type: ignore[valid-type]
        responses=ERRORS,
        summary=f"Every {noun}",
        operation_id=f"contractList_{noun}",
        dependencies=reading,
    )
    async def every(request: Request) -> Response:
        """All there are, streamed."""
        records = records_of(request, kind)
        first = await records.page(None, PAGE, {})

        async def lines() -> AsyncIterator[bytes]:
            (rows, following), separator = first, b"["
            while True:
                for row in rows:
                    yield separator + orjson.dumps(_shown(kind, kept, row))
                    separator = b","
                if following is None:
                    break
                rows, following = await records.page(following, PAGE, {})
            yield b"]" if separator == b"," else b"[]"

        return StreamingResponse(lines(), media_type="application/json")

    @router.get(
        f"/{path}/{{id:path}}",
        response_model=kept,
        responses=ERRORS | responses(404),
        summary=f"One {noun}",
        operation_id=f"contractGet_{noun}",
        description=f"The {noun} in the fields of that service.",
        dependencies=reading,
    )
    async def one(request: Request, id: IdPath) -> Response:
        return _json(_shown(kind, kept, await records_of(request, kind).get(id)))

    @router.post(
        f"/{path}/",
        response_model=kept,
        responses=BODY_ERRORS,
        summary=f"Create a {noun}",
        operation_id=f"contractCreate_{noun}",
        description="The server makes the id.",
        dependencies=WRITING,
    )
    async def make(request: Request, record: new_record) -> Response:  # type: ignore[valid-type]
        given = _given(record)
        for tries_left in reversed(range(MOST_TRIES)):
            try:
                outcome = await records_of(request, kind).change(Change(_new_id(), given, Condition(exists=False)))
                return _json(_shown(kind, kept, outcome.record))
            except ProblemError as error:
                if error.status != 409 or not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    @router.put(
        f"/{path}/",
        response_model=kept,
        responses=BODY_ERRORS | responses(404),
        summary=f"Change a {noun}",
        operation_id=f"contractUpdate_{noun}",
        description="What this contract does not know, such as stock and price, stays as it is.",
        dependencies=WRITING,
    )
    async def change(request: Request, record: record_with_id) -> Response:  # type: ignore[valid-type]
        wanted = Change(given_id(record.id), _given(record), Condition(exists=True))  # type: ignore[attr-defined]
        outcome = await records_of(request, kind).change(wanted)
        return _json(_shown(kind, kept, outcome.record))

    @router.delete(
        f"/{path}/{{id:path}}",
        status_code=204,
        responses=ERRORS | responses(404, 409),
        summary=f"Delete a {noun}",
        operation_id=f"contractDelete_{noun}",
        description="Gone for good.",
        dependencies=WRITING,
    )
    async def delete(request: Request, id: IdPath) -> Response:
        await records_of(request, kind).delete(id, Condition(exists=True))
        return Response(status_code=204)


_add_record_routes("customer", CUSTOMER, CustomerCreate, CustomerUpdate, CustomerDTO, WRITING)
_add_record_routes("category", CATEGORY, CategoryCreate, CategoryUpdate, CategoryDTO, READING)
_add_record_routes("products", PRODUCT, ProductCreate, ProductUpdate, ProductDTO, READING)


@router.post(
    "/Purchases/",
    response_model=PurchaseDTO,
    responses=BODY_ERRORS,
    summary="Tell of a purchase",
    operation_id="contractCreatePurchase",
    dependencies=WRITING,
)
async def create_purchase(request: Request, purchase: Annotated[PurchaseCreate, Body()]) -> Response:
    """Stored once this is answered; the product is not recommended to this customer any more."""
    purchase_id = _new_id()
    customer_id, product_id = given_id(purchase.customer_id), given_id(purchase.product_id)
    told = Purchase(purchase_id=purchase_id, customer_id=customer_id, product_id=product_id)
    await purchases.create(request.app.state.collector, told)
    return _json(await _purchase(request, told.model_dump()))


@router.put(
    "/Purchases/",
    response_model=PurchaseDTO,
    responses=BODY_ERRORS | responses(404),
    summary="Change a purchase",
    operation_id="contractUpdatePurchase",
    dependencies=WRITING,
)
async def update_purchase(request: Request, purchase: Annotated[PurchaseUpdate, Body()]) -> Response:
    """Who bought, and what; price, quantity and time, which this contract does not know, stay as they are."""
    told = {"customer_id": given_id(purchase.customer_id), "product_id": given_id(purchase.product_id)}
    changed = await purchases.change(request.app.state.service, given_id(purchase.id), told)
    return _json(await _purchase(request, changed))


@router.delete(
    "/Purchases/{purchase_id:path}",
    status_code=204,
    responses=ERRORS | responses(404),
    summary="Delete a purchase",
    operation_id="contractDeletePurchase",
    dependencies=WRITING,
)
async def delete_purchase(request: Request, purchase_id: IdPath) -> Response:
    """The product may be recommended to this customer again; see `DELETE /v1/purchases/{id}`."""
    await purchases.delete(request.app.state.service, purchase_id)
    return Response(status_code=204)


@router.get(
    "/Purchases/customer_purchased_products/{customer_id:path}",
    response_model=CustomerPurchases,
    responses=ERRORS | responses(404),
    summary="What a customer bought",
    operation_id="contractCustomerPurchases",
    dependencies=WRITING,
)
async def customer_purchases(request: Request, customer_id: Annotated[Identifier, Path()]) -> Response:
    """The newest thousand purchases; none for a customer who bought nothing yet."""
    customer = await records_of(request, CUSTOMER).get(customer_id)
    found, _ = await purchases.of_customer(request.app.state.service.pool, customer_id, None, MOST_PURCHASES)
    titles = await _titles(request, [row["product_id"] for row in found])
    records = [{"purchase_id": shown_id(row["purchase_id"])} | _named(titles[row["product_id"]]) for row in found]
    return _json(_shown(CUSTOMER, CustomerDTO, customer) | {"purchases": records})


@router.get(
    "/Purchases/{purchase_id:path}",
    response_model=PurchaseDTO,
    responses=ERRORS | responses(404),
    summary="One purchase",
    operation_id="contractGetPurchase",
    dependencies=WRITING,
)
async def get_purchase(request: Request, purchase_id: IdPath) -> Response:
    """The purchase, with the titles of what it names."""
    return _json(await _purchase(request, await purchases.get(request.app.state.service.pool, purchase_id)))


@router.post(
    "/recommendation/vectorize_product",
    response_model=Fields,
    responses=BODY_ERRORS,
    summary="Make a product known",
    operation_id="contractVectorizeProduct",
    dependencies=WRITING,
)
async def vectorize_product(request: Request, info: Annotated[ProductInfo, Body()]) -> Response:
    """The worker makes its vector within seconds. Any other way to create or change a product does the same."""
    category_id = given_id(info.category_id)
    await records_of(request, CATEGORY).change(Change(category_id, {"title": info.category_title}))
    fields = {"title": info.product_title, "category_id": category_id, "tags": info.product_tags}
    outcome = await records_of(request, PRODUCT).change(Change(given_id(info.product_id), fields))
    return _json({"product_id": info.product_id, "status": outcome.status})


@router.get(
    "/recommendation/{customer_id:path}",
    response_model=list[RecommendedProduct],
    responses=responses(401, 403, 422, 500),
    summary="Ten products for a customer",
    operation_id="contractRecommendation",
    dependencies=READING,
)
async def recommendation(request: Request, customer_id: Annotated[Identifier, Path()]) -> Response:
    """As for the home page, never what was bought; customers who bought nothing get what fits their profile."""
    state = request.app.state.service
    answer = orjson.loads(request.app.state.recommender.recommend(str(Placement.HOME), Question(customer_id, TOP_K)))
    shown = []
    for item_id, label in state.facts.labels.of(item["item_id"] for item in answer["items"]).items():
        facts = state.facts.get(item_id)
        category_id = facts and facts.category_id
        shown.append(
            {
                "product_id": shown_id(item_id),
                "product": label.title or item_id,
                "category_id": None if category_id is None else shown_id(category_id),
                "category": state.decisions.titles.get(category_id, ""),
            }
        )
    return _json(shown)


async def _purchase(request: Request, purchase: Fields) -> Fields:
    titles = await _titles(request, [purchase["product_id"]])
    customer_id = purchase["customer_id"] or ""  # a guest's
    try:
        customer = await records_of(request, CUSTOMER).get(customer_id)
    except ProblemError as error:
        if error.status != 404:
            raise
        customer = {}
    return {
        "id": shown_id(purchase["purchase_id"]),
        "customer_id": shown_id(customer_id),
        "customer_title": customer.get("title") or "",
        **_named(titles[purchase["product_id"]]),
    }


async def _titles(request: Request, item_ids: list[str]) -> dict[str, Any]:
    """What the catalogue says of items, by id, in the order given."""
    state = request.app.state.service
    with database_errors("Titles are kept there."):
        rows = await state.pool.fetch(_TITLES, state.follower.current.dataset, item_ids)
    return {row["item_id"]: row for row in rows}


def _named(row: Any) -> Fields:
    return {
        "product_id": shown_id(row["item_id"]),
        "product_title": row["title"] or row["item_id"],
        "product_tags": row["tags"],
        "category_id": None if row["category_id"] is None else shown_id(row["category_id"]),
        "category_title": row["category"] or "",
    }


def _shown(kind: Kind, kept: type[BaseModel], record: Fields) -> Fields:
    """A stored record in the contract's words."""
    shown: Fields = {name: record[name] for name in kept.model_fields if name != "id"}
    if shown.get("category_id") is not None:
        shown["category_id"] = shown_id(shown["category_id"])
    return shown | {"id": shown_id(record[kind.key])}


def _given(record: BaseModel) -> Fields:
    """A record of the contract in our words."""
    given = record.model_dump(exclude={"id"}, exclude_none=True)
    if "category_id" in given:
        given["category_id"] = given_id(given["category_id"])
    return given


def _new_id() -> str:
    """A whole number that JavaScript can count up to; two at one moment differ in all likelihood."""
    return str(time.time_ns() // 10_000_000 * 10_000 + random.randrange(10_000))


def _json(document: Any) -> Response:
    return Response(orjson.dumps(document), media_type="application/json")

"""A variant by its article number alone, as stock systems know it."""

from typing import Any

from pydantic import Field

from fast_api_service.catalog import repository
from fast_api_service.catalog.etags import Condition, etag, unknown
from fast_api_service.catalog.kinds import Fields
from fast_api_service.catalog.products import Variant
from fast_api_service.catalog.records import Change, Records
from fast_api_service.database import database_errors
from fast_api_service.problems import ProblemError
from fast_api_service.schemas import Identifier

PRODUCT_OF = "select product_id from shop.variants where dataset = $1 and sku = $2"
MOST_TRIES = 5


class OwnedVariant(Variant):
    """A variant and the product it belongs to."""

    product_id: Identifier = Field(description="The product's id.")


async def get(products: Records, sku: str) -> Fields:
    """The variant.

    Raises:
        ProblemError: 404.
    """
    product = await _product(products, sku)
    return _variant(product, sku)


async def change(products: Records, sku: str, given: dict[str, Any]) -> Fields:
    """Change some fields of a variant, and with them its product.

    Raises:
        ProblemError: 404.
    """
    tries = 0
    while True:
        tries += 1
        product = await _product(products, sku)
        changed = [variant | given if variant["sku"] == sku else variant for variant in product["variants"]]
        condition = Condition(if_match=etag(product["revision"]))
        try:
            outcome = await products.change(Change(product["product_id"], {"variants": changed}, condition))
        except ProblemError as error:
            # Somebody else changed the product in between: again, on what there is now.
            if error.status != 412 or tries == MOST_TRIES:
                raise
        else:
            return _variant(outcome.record, sku)


async def _product(products: Records, sku: str) -> Fields:
    with database_errors("Nothing can be read."):
        async with products.pool.acquire() as connection:
            key = await connection.fetchval(PRODUCT_OF, await repository.dataset(connection), sku)
    if key is None:
        raise unknown("variant", sku)
    return await products.get(key)


def _variant(product: Fields, sku: str) -> Fields:
    for variant in product["variants"]:
        if variant["sku"] == sku:
            found: Fields = variant | {"product_id": product["product_id"]}
            return found
    raise unknown("variant", sku)

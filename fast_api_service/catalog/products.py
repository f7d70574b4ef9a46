"""Products and their variants: the fields, and what holds between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import asyncpg
import orjson
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from fast_api_service.catalog.fields import MOST_PIECES, Attributes, Count, Kept, Money, Text, Weight, Word
from fast_api_service.catalog.fields import Fields as FieldsModel
from fast_api_service.catalog.kinds import Fields, Kind
from fast_api_service.problems import FieldProblem
from fast_api_service.schemas import Identifier

EXAMPLE: JsonDict = {
    "title": "Enamel mug",
    "description": "A mug for the mountains, 0.4 l.",
    "brand": "Fjord",
    "category_id": "1016",
    "price": 12.9,
    "stock": 40,
    "tags": ["outdoor", "kitchen"],
    "attributes": {"colour": "blue", "volume_l": 0.4},
}


class VariantFields(FieldsModel):
    """A variant of a product, such as a size."""

    stock: Count = 0
    price: Money | None = None
    recommendation_weight: Weight = 1.0
    attributes: Attributes = Field(default_factory=dict)


class Variant(VariantFields):
    """A variant under its article number, which is unique in the shop."""

    sku: Identifier


class ProductFields(FieldsModel):
    """What a shop says of a product. Left out: in a new product the default; in a change as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    title: Text | None = None
    description: Text | None = None
    brand: Word | None = None
    category_id: Identifier | None = None
    price: Money | None = None
    stock: Count | None = Field(None, description="null: not counted. A product with variants has their sum.")
    is_available: bool = Field(True, description="With a stock of 0 it is not available either.")
    is_hidden: bool = Field(False, description="Hidden products are never recommended.")
    recommendation_weight: Weight = Field(1.0, description="What the shop itself would like to show counts more.")
    tags: Annotated[list[Word], Field(max_length=100)] = Field(default_factory=list)
    attributes: Attributes = Field(default_factory=dict, description="Numbers and words by name.")
    variants: Annotated[list[Variant], Field(max_length=1000)] = Field(default_factory=list)


class ProductRow(ProductFields):
    """A product with its id, the `item_id` of events and recommendations."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": "mug-1", **EXAMPLE}]})

    product_id: Identifier


class Product(ProductRow, Kept):
    """A product as it is kept."""

    model_config = ConfigDict(strict=False)


class ProductPage(FieldsModel):
    """Some products, by id."""

    products: list[Product]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


# A variant as one JSON object, as the API tells it.
VARIANT = "to_jsonb(variant) - 'dataset' - 'product_id'"
VARIANTS = f"""jsonb_build_object('variants', coalesce((
    select jsonb_agg({VARIANT} order by variant.sku) from shop.variants variant
    where (variant.dataset, variant.product_id) = (record.dataset, record.product_id)), '[]'))"""
OWNERS = "select sku, product_id from shop.variants where dataset = $1 and sku = any($2)"
# What step 1 knows of loaded items that the API has not been told of.
LOADED = """
select item_id, jsonb_build_object('title', title, 'brand', brand, 'category_id', category_id, 'price', price,
                                   'is_available', is_available)::text as facts
from recs.item_state where dataset = $1 and item_id = any($2) and not is_from_api
"""
DROP_VARIANTS = "delete from shop.variants where dataset = $1 and product_id = any($2)"
ADD_VARIANTS = """
insert into shop.variants (dataset, product_id, sku, stock, price, recommendation_weight, attributes)
select $1, row.* from jsonb_to_recordset($2::jsonb) as row(
    product_id text, sku text, stock integer, price double precision, recommendation_weight double precision,
    attributes jsonb)
order by row.sku
"""


@dataclass(frozen=True)
class Known:
    """What the checks of a request need: the product of each article number, and facts of loaded items."""

    owners: dict[str, str]
    loaded: dict[str, Fields]


@dataclass(frozen=True)
class ProductKind(Kind):
    """Products; their variants are a table of their own, so that an article number names one product."""

    async def prepare(self, connection: asyncpg.Connection, dataset: str, rows: Mapping[str, list[Fields]]) -> "Known":
        """Whose the article numbers of the request are, and what is known of its items from loads."""
        skus = [variant["sku"] for changes in rows.values() for row in changes for variant in row.get("variants", ())]
        owners = dict(await connection.fetch(OWNERS, dataset, skus)) if skus else {}
        loaded = await connection.fetch(LOADED, dataset, list(rows))
        return Known(owners, {row["item_id"]: orjson.loads(row["facts"]) for row in loaded})

    def settle(self, key: str, old: Fields | None, new: Fields, given: set[str], known: Any) -> FieldProblem | None:
        """Variants' article numbers are the product's own, its stock is the sum of theirs.

        What the shop told of a loaded item stays, until it tells something else: a first word about its stock does not
        take its category away.
        """
        if old is None:
            new |= {name: fact for name, fact in known.loaded.get(key, {}).items() if name not in given}
        variants: list[Fields] = sorted(new["variants"], key=lambda variant: str(variant["sku"]))
        new["variants"] = variants
        if "variants" in given:
            for place, variant in enumerate(variants):
                sku = variant["sku"]
                if place and sku == variants[place - 1]["sku"]:
                    return _problem("variants", sku, "twice", "Two variants have the same sku", "Give it once.")
                if (owner := known.owners.setdefault(sku, key)) != key:
                    message = f"The sku belongs to the product {owner!r}"
                    return _problem("variants", sku, "taken", message, "Take it away there first, or use another.")
        if variants:
            total = sum(variant["stock"] for variant in variants)
            if total > MOST_PIECES:
                message = f"The stock of all variants is more than {MOST_PIECES:,}"
                return _problem("variants", total, "too_many_pieces", message, "Give a smaller stock.")
            if "stock" in given and new["stock"] not in (None, total):
                message = f"The stock of a product with variants is their sum, {total}"
                return _problem("stock", new["stock"], "not_the_sum", message, "Give the stock of its variants.")
            new["stock"] = total
        elif old and old["variants"] and "stock" not in given:
            new["stock"] = None
        return None

    async def write_more(
        self, connection: asyncpg.Connection, dataset: str, before: Mapping[str, Fields], after: Mapping[str, Fields]
    ) -> None:
        """Replace the variants of products whose variants have changed."""
        old = {key: before[key]["variants"] if key in before else [] for key in after}
        changed = {key: row for key, row in after.items() if row["variants"] != old[key]}
        if not changed:
            return
        await connection.execute(DROP_VARIANTS, dataset, list(changed))
        rows = [variant | {"product_id": key} for key, row in changed.items() for variant in row["variants"]]
        await connection.execute(ADD_VARIANTS, dataset, orjson.dumps(rows).decode())


def _problem(field: str, value: Any, reason: str, message: str, remedy: str) -> FieldProblem:
    return FieldProblem(field=f"body.{field}", value=value, message=message, remedy=remedy, reason=reason)


PRODUCT = ProductKind(
    noun="product",
    table="shop.products",
    key="product_id",
    fields=ProductFields,
    row=ProductRow,
    columns={
        "title": "text",
        "description": "text",
        "brand": "text",
        "category_id": "text",
        "price": "double precision",
        "stock": "integer",
        "is_available": "boolean",
        "is_hidden": "boolean",
        "recommendation_weight": "double precision",
        "tags": "text[]",
        "attributes": "jsonb",
    },
    body=VARIANTS,
)

"""Products of the storefront contract, put together from the objects that tell parts of them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg
import orjson

from fast_api_service.catalog.fields import RESERVED
from fast_api_service.catalog.records import Change, Outcome, Records
from fast_api_service.contracts.storefront_objects import KEPT, Product, StorefrontObject
from fast_api_service.database import database_errors

# Another worker may be told of another part of the same product: until nothing changes any more, or so often.
MOST_ROUNDS = 5

# A text goes on knowing whose it is when it is told by itself.
_KEEP = """
insert into shop.storefront_objects as kept (dataset, class, id, body)
select $1, object.* from unnest($2::text[], $3::text[], $4::jsonb[]) object
on conflict (dataset, class, id) do update set body = kept.body || excluded.body
"""
# Products that a change of any of these objects is a change of.
_CONCERNED = """
with types as (
    select id from shop.storefront_objects
    where dataset = $1 and class = 'Attribute' and body->>'type' = any($5::text[])
), variants as (
    select unnest($3::text[]) as sku
    union select id from shop.storefront_objects
    where dataset = $1 and class = 'ProductVariant'
      and body->'attributes' ?| ($4::text[] || array(select id from types))
)
select id from shop.storefront_objects
where dataset = $1 and class = 'Product' and body->'product_variants' ?| array(select sku from variants)
union select unnest($2::text[])
union select body->>'product_id' from shop.storefront_objects
where dataset = $1 and class = 'ProductTranslation' and id = any($6::text[]) and body ? 'product_id'
"""
_OBJECTS = """
select id, body::text as body from shop.storefront_objects
where dataset = $1 and class = $2 and id = any($3::text[])
"""
_PRICES = """
select distinct on (body->>'product_variant_sku') body->>'product_variant_sku' as sku, (body->>'price')::float8 as price
from shop.storefront_objects
where dataset = $1 and class = 'ProductPrice' and body->>'product_variant_sku' = any($2::text[])
order by body->>'product_variant_sku', body->>'price_list_code', id
"""

Body = dict[str, Any]


async def keep(products: Records, dataset: str, objects: Sequence[StorefrontObject]) -> dict[str, Outcome]:
    """Keep objects, and bring every product they are part of up to date.

    Returns:
        What became of these products, by id.
    """
    keys = sorted(_bodies(objects).items(), key=lambda pair: pair[0])
    named: dict[str, list[str]] = {}
    for (name, key), body in keys:
        named.setdefault(name, []).append(key)
        if name == "ProductPrice" and body["product_variant_sku"] is not None:
            named.setdefault("ProductVariant", []).append(body["product_variant_sku"])
    kinds = ("Product", "ProductVariant", "Attribute", "AttributeType", "ProductTranslation")
    changed = [named.get(name, []) for name in kinds]
    with database_errors("Nothing of this request was stored."):
        classes, ids = [key[0] for key, _ in keys], [key[1] for key, _ in keys]
        await products.pool.execute(_KEEP, dataset, classes, ids, [orjson.dumps(body).decode() for _, body in keys])
        concerned = [row["id"] for row in await products.pool.fetch(_CONCERNED, dataset, *changed)]
        rows, outcomes = await _assembled(products.pool, dataset, concerned), dict[str, Outcome]()
        for _ in range(MOST_ROUNDS):
            written = await products.change_many([Change(key, row) for key, row in rows.items()])
            outcomes |= dict(zip(rows, written, strict=True))
            now = await _assembled(products.pool, dataset, concerned)
            if now == rows:
                break
            rows = now
    return outcomes


def _bodies(objects: Sequence[StorefrontObject]) -> dict[tuple[str, str], Body]:
    """What is kept of each object, by class and id; of what is told twice the last counts.

    A product's texts are kept as if told by themselves, so that of both the newer counts.
    """
    told: dict[tuple[str, str], Body] = {}
    for each in objects:
        body = each.model_dump(mode="json", exclude={"model_class"})
        key = _class(each), str(getattr(each, KEPT[type(each)]))  # type: ignore[index]
        told[key] = told.get(key, {}) | body  # a text goes on knowing whose it is
        for text in body["product_translations"] if isinstance(each, Product) else ():
            if text["id"]:
                told["ProductTranslation", text["id"]] = text | {"product_id": body["id"]}
    return told


async def _assembled(pool: asyncpg.Pool, dataset: str, product_ids: Sequence[str]) -> dict[str, Body]:
    """The fields of these products, as far as they have been told; by id."""
    products = await _objects(pool, dataset, "Product", product_ids)
    skus = _flat(product["product_variants"] for product in products.values())
    named = [text.get("id") for product in products.values() for text in product["product_translations"]]
    texts = await _objects(pool, dataset, "ProductTranslation", filter(None, named))
    variants = await _objects(pool, dataset, "ProductVariant", skus)
    prices = {row["sku"]: row["price"] for row in await pool.fetch(_PRICES, dataset, skus)}
    wanted = _flat(variant["attributes"] for variant in variants.values())
    attributes = await _objects(pool, dataset, "Attribute", wanted)
    types = await _objects(pool, dataset, "AttributeType", [each["type"] for each in attributes.values()])
    values = {key: _value(each, types.get(each["type"], {})) for key, each in attributes.items()}
    return {key: _fields(product, texts, variants, prices, values) for key, product in sorted(products.items())}


def _fields(
    product: Body,
    texts: Mapping[str, Body],
    variants: Mapping[str, Body],
    prices: Mapping[str, float],
    values: Mapping[str, tuple[str, Any]],
) -> Body:
    newest = (texts.get(each.get("id"), each) for each in product["product_translations"])
    text: Body = next((each for each in newest if each["title"]), {})
    skus = list(dict.fromkeys(product["product_variants"]))
    told = [
        {
            "sku": sku,
            "stock": variants.get(sku, {}).get("stock_quantity", 0),
            "price": prices.get(sku),
            "recommendation_weight": variants.get(sku, {}).get("recommendation_weight", 1.0),
            "attributes": dict(values[key] for key in variants.get(sku, {}).get("attributes", ()) if key in values),
        }
        for sku in skus
    ]
    costs = [each["price"] for each in told if each["price"] is not None]
    attributes: Body = {}
    for each in told:
        attributes = each["attributes"] | attributes
    return {
        "title": text.get("title"),
        "description": text.get("description") or text.get("short_description"),
        "category_id": product["category_id"],
        "is_hidden": not product["published"],
        "price": min(costs, default=None),
        "recommendation_weight": max((each["recommendation_weight"] for each in told), default=1.0),
        "attributes": attributes,
        "variants": sorted(told, key=lambda each: str(each["sku"])),
    }


def _value(attribute: Body, kind: Body) -> tuple[str, float | str]:
    """Name and value: a number, unless its type says that it only looks like one."""
    name = kind.get("type_name") or f"attribute {attribute['type']}"
    raw = attribute["raw_value"] or "-"
    if kind.get("value_type") not in ("CATEGORICAL", "TEXT"):
        try:
            number = float(raw)
        except ValueError:
            number = float("nan")
        if abs(number) < float("inf"):  # not of a NaN either
            return _free(name), number
    return _free(name), raw


def _free(name: str) -> str:
    return f"{name} (attribute)"[:100] if name in RESERVED else name[:100]


async def _objects(pool: asyncpg.Pool, dataset: str, name: str, ids: Iterable[str]) -> dict[str, Body]:
    rows = await pool.fetch(_OBJECTS, dataset, name, sorted(set(ids)))
    return {row["id"]: orjson.loads(row["body"]) for row in rows}


def _flat(lists: Iterable[Iterable[str]]) -> list[str]:
    return sorted({each for some in lists for each in some})


def _class(told: StorefrontObject) -> str:
    return type(told).__name__

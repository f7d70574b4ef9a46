"""What sessions did, in the storefront contract's words, as events."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import asyncpg

from fast_api_service.contracts.storefront_objects import (
    Feedback,
    Order,
    ProductAddToCart,
    ProductDetailEnter,
    ProductDetailLeave,
    RecommendationView,
    Review,
    StorefrontObject,
)
from fast_api_service.events.schemas import MOST_SECONDS
from recsys.schema import EventType

_KIND: dict[type[StorefrontObject], EventType] = {
    ProductAddToCart: EventType.ADD_TO_CART,
    ProductDetailEnter: EventType.VIEW,
    ProductDetailLeave: EventType.DETAIL_LEAVE,
    RecommendationView: EventType.IMPRESSION,
    Review: EventType.RATING,
}
_BOUGHT = """
select variant.sku, variant.product_id, coalesce(variant.price, product.price)::text::float8 as price
from shop.variants variant join shop.products product using (dataset, product_id)
where dataset = $1 and sku = any($2::text[])
"""

Bought = Mapping[str, tuple[str, float | None]]


async def bought(pool: asyncpg.Pool, dataset: str, orders: list[Order]) -> Bought:
    """Product and price of each article number of some orders, as far as they are known."""
    skus = sorted({sku for order in orders for sku, _ in order.product_variants})
    rows = await pool.fetch(_BOUGHT, dataset, skus) if skus else []
    return {row["sku"]: (row["product_id"], row["price"]) for row in rows}


def events(told: Order | Feedback, products: Bought) -> list[dict[str, Any]]:
    """The events that an object stands for; the same object makes the same event ids, so it can be sent again."""
    if isinstance(told, Order):
        return [_purchase(told, sku, pieces, products) for sku, pieces in told.product_variants]
    identity = (
        type(told).__name__,
        told.session_id,
        told.product_id,
        told.product_variant_sku,
        told.create_at,
        getattr(told, "id", None),
    )
    event = _event(_KIND[type(told)], told, identity) | {
        "item_id": told.product_id,
        "recommendation_id": told.model_identifier or None,
    }
    if isinstance(told, ProductDetailLeave):
        event["value"] = min(told.time_spent, MOST_SECONDS)  # a page left open overnight
    if isinstance(told, Review):
        event["value"] = float(told.rating)
    return [event]


def _purchase(order: Order, sku: str, pieces: int, products: Bought) -> dict[str, Any]:
    # What the catalogue does not know is kept under its article number.
    item_id, price = products.get(sku, (sku, None))
    kept = {"item_id": item_id, "price": price, "quantity": float(pieces), "order_id": order.token}
    return _event(EventType.PURCHASE, order, ("Order", order.token, sku)) | kept


def _event(kind: EventType, told: Order | Feedback, identity: tuple[Any, ...]) -> dict[str, Any]:
    event: dict[str, Any] = {"event_type": kind, "session_id": told.session_id, "user_id": told.user_id}
    if told.create_at is not None:
        event["timestamp_ms"] = _milliseconds(told.create_at)
    if told.create_at is not None or isinstance(told, Order):
        event["event_id"] = f"storefront-{sha256(repr(identity).encode()).hexdigest()[:32]}"
    return event


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)

"""How fast a catalogue is upserted, and how soon a change of stock is seen in what is recommended."""

import random
import statistics
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from recsys.bench.service import RunningService, Shop, running_service
from recsys.errors import UnavailableError

ROWS_A_CALL = 5_000
CALLERS = 2
CHANGES = 10  # of stock, timed one after the other
MOST_TRIES = 5
PATIENCE_S = 30
CALM_S = 1.5  # without it being shown


def measure(products: int = 100_000, shop: Shop | None = None) -> dict[str, float]:
    """Create the products, change the price and stock of all of them, send the same again, then sell some out.

    Returns:
        `products, create_s, update_s, unchanged_s` (all of them, in calls of 5,000 from two clients), `rejected`,
        `visible_median_s, visible_max_s`: from the answer to a change of stock until every worker obeys it.
    """
    with running_service(shop or Shop(users=1_000, items=2_000)) as service:
        rows = list(_products(products))
        created = _upsert(service, rows)
        changes = [{"product_id": row["product_id"], "price": row["price"] + 1, "stock": 7} for row in rows]
        updated = _upsert(service, changes)
        unchanged = _upsert(service, changes)
        delays = [_sell_out(service) for _ in range(CHANGES)]
    return {
        "products": products,
        "create_s": created[0],
        "update_s": updated[0],
        "unchanged_s": unchanged[0],
        "rejected": created[1] + updated[1] + unchanged[1],
        "visible_median_s": statistics.median(delays),
        "visible_max_s": max(delays),
    }


def _products(count: int) -> Iterable[dict[str, Any]]:
    chooser = random.Random(1)
    for number in range(count):
        yield {
            "product_id": f"p{number}",
            "title": f"Product {number} of kind {number % 997}",
            "description": " ".join(f"word{chooser.randrange(5_000)}" for _ in range(20)),
            "brand": f"brand {chooser.randrange(500)}",
            "category_id": f"k{number % 997}",
            "price": round(chooser.lognormvariate(3, 1), 2),
            "stock": chooser.randrange(1, 100),
            "tags": [f"tag{chooser.randrange(200)}" for _ in range(3)],
            "attributes": {"colour": f"colour {chooser.randrange(20)}", "weight": chooser.randrange(5_000)},
        }


def _upsert(service: RunningService, rows: list[dict[str, Any]]) -> tuple[float, int]:
    """Seconds it took, and rows that were rejected."""
    calls = [rows[start : start + ROWS_A_CALL] for start in range(0, len(rows), ROWS_A_CALL)]
    started = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as callers:
        answers = list(callers.map(lambda call: _send(service, call), calls))
    return time.perf_counter() - started, sum(int(str(answer["rejected"])) for answer in answers)


def _send(service: RunningService, rows: list[dict[str, Any]]) -> dict[str, object]:
    """As a client does: a 503 is answered by sending the same again a little later."""
    for _ in range(MOST_TRIES - 1):
        try:
            return service.ask("/v1/products/bulk", rows)
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
            time.sleep(float(error.headers.get("Retry-After", 1)))
    return service.ask("/v1/products/bulk", rows)


def _sell_out(service: RunningService) -> float:
    """Let an item that is recommended now have no stock, and wait until it is recommended no more."""
    item_id = _shown(service)[0]
    service.ask("/v1/products/bulk", [{"product_id": item_id, "stock": 0}])
    started = last_seen = time.perf_counter()
    # Any worker may answer a question, so the last one to notice shows only in many answers.
    while (now := time.perf_counter()) - last_seen < CALM_S:
        if item_id in _shown(service):
            last_seen = time.perf_counter()
        if now - started > PATIENCE_S:
            raise UnavailableError(f"Item {item_id!r} is still recommended {PATIENCE_S} s after it was sold out.")
        time.sleep(0.005)
    return last_seen - started


def _shown(service: RunningService) -> list[str]:
    answer: Any = service.ask("/v1/recommendations?limit=20")
    return [item["item_id"] for item in answer["items"]]

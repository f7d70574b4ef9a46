"""How fast placements are answered beside the static route of the same processes: home under rules, and carts."""

import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from recsys.bench.service import RunningService, Shop, running_service
from recsys.bench.wrk import Request, Wrk

REQUESTS = 20_000
IN_CART = 10
RULES = 50


def measure(seconds: float = 5, rounds: int = 5, shop: Shop | None = None) -> dict[str, float]:
    """Alternate rounds of the static route, the home page, and carts answered online, all at full load.

    Returns:
        `home_ratio, cart_ratio` (medians over the rounds), `home_rps, cart_rps, health_rps`, `errors`; `plain_ratio` is
        the home page before there are rules.
    """
    shop = shop or Shop()
    with tempfile.TemporaryDirectory() as name, running_service(shop) as service:
        wrk = Wrk(service.address, Path(name))
        chooser = random.Random(1)
        home = wrk.mix(
            "home",
            [
                Request(f"/v1/recommendations?user_id=u{chooser.randrange(shop.users)}&limit=10", service.key)
                for _ in range(REQUESTS)
            ],
        )
        carts = wrk.mix("carts", [_cart(shop, chooser, service.key) for _ in range(REQUESTS)])
        health = wrk.mix("health", [Request("/health/live", service.key)])
        for mix in (health, home):
            wrk.run(mix, seconds)
        plain = [(wrk.run(health, seconds), wrk.run(home, seconds)) for _ in range(max(1, rounds // 2))]
        _make_rules(service)
        wrk.run(home, 2 * seconds)
        wrk.run(carts, seconds)
        loads = [(wrk.run(health, seconds), wrk.run(home, seconds), wrk.run(carts, seconds)) for _ in range(rounds)]
        return {
            "plain_ratio": statistics.median(home.rps / base.rps for base, home in plain),
            "home_ratio": statistics.median(home.rps / base.rps for base, home, _ in loads),
            "cart_ratio": statistics.median(cart.rps / base.rps for base, _, cart in loads),
            "home_rps": statistics.median(home.rps for _, home, _ in loads),
            "cart_rps": statistics.median(cart.rps for _, _, cart in loads),
            "health_rps": statistics.median(base.rps for base, _, _ in loads),
            "errors": sum(load.errors for each in loads for load in each),
        }


def _cart(shop: Shop, chooser: random.Random, key: str) -> Request:
    items = ",".join(f"a{chooser.randrange(shop.items)}" for _ in range(IN_CART))
    return Request(f"/v1/recommendations?placement=cart&limit=10&item_ids={items}", key)


def _make_rules(service: RunningService) -> None:
    """Fifty rules of all kinds, in force at the home page, that between them touch every third item."""
    for number in range(RULES):
        service.ask(f"/v1/rules/rule-{number}", rule(number) | {"placements": ["home"]}, "PUT")
    time.sleep(3)  # every worker takes them over within a second


def rule(number: int) -> dict[str, Any]:
    """The `number`th rule."""
    kind = number % 10
    category, brand = f"c{number}", f"b{number}"
    if kind == 0:
        return {"action": "pin", "conditions": {"item_ids": [f"a{number}"]}, "position": 3 + number // 5}
    if kind in (1, 2):
        return {"action": "exclude", "conditions": {"category_ids": [category], "price_max": 50}}
    if kind in (3, 4, 5):
        return {"action": "bury", "conditions": {"brands": [brand], "stock_max": 20}, "places": 5}
    return {"action": "boost", "conditions": {"category_ids": [category], "tags": ["new"]}, "places": 1 + number % 5}

"""How fast recommendations are answered, beside the static route of the same processes, and whether a swap disturbs."""

import random
import statistics
import tempfile
import threading
import time
from pathlib import Path

from recsys.bench.service import RunningService, Shop, running_service
from recsys.bench.wrk import Load, Request, Wrk

REQUESTS = 20_000
RECENT_USERS = 0.1  # share of users with events of the last minutes
MARKS = ("a", "b")
# Reasons that belong to one list of one table; the others bring several together.
ONE_TABLE = {"ranked_for_you", "popular"}


def measure(seconds: float = 5, rounds: int = 5, shop: Shop | None = None) -> dict[str, float]:
    """Alternate rounds of both routes at full load, then half that load, then a new version under half load.

    Returns:
        `ratio, rps, health_rps` (medians over the rounds), `p50_ms, p99_ms` (at half load),
        `swap_errors, swap_mixed, swap_p99_ms` (failed requests, answers that mix versions).
    """
    shop = shop or Shop()
    with tempfile.TemporaryDirectory() as name, running_service(shop, MARKS) as service:
        wrk = Wrk(service.address, Path(name))
        chooser = random.Random(1)
        _react(service, shop, chooser)
        users = [f"u{chooser.randrange(shop.users)}" for _ in range(REQUESTS)]
        recommend = wrk.mix(
            "recommend", [Request(f"/v1/recommendations?user_id={user}&limit=10", service.key) for user in users]
        )
        health = wrk.mix("health", [Request("/health/live", service.key)])
        for mix in (health, recommend):
            wrk.run(mix, seconds)
        pairs = [(wrk.run(health, seconds), wrk.run(recommend, seconds)) for _ in range(rounds)]
        rps = statistics.median(load.rps for _, load in pairs)
        # Twice the time that a connection takes for a request at full load, about half of it waiting.
        pause_ms = 1000 * wrk.connections / rps
        half = wrk.run(recommend, 2 * seconds, pause_ms)
        swap, mixed = _swap(service, shop, wrk, recommend, pause_ms, users)
        errors = sum(load.errors for pair in pairs for load in pair) + half.errors
        return {
            "ratio": statistics.median(load.rps / base.rps for base, load in pairs),
            "rps": rps,
            "health_rps": statistics.median(base.rps for base, _ in pairs),
            "p50_ms": half.p50_ms,
            "p99_ms": half.p99_ms,
            "half_load_rps": half.rps,
            "errors": errors,
            "swap_errors": swap.errors,
            "swap_mixed": mixed,
            "swap_p99_ms": swap.p99_ms,
        }


def _react(service: RunningService, shop: Shop, chooser: random.Random) -> None:
    """Let some users do something now, so that their answers react to it."""
    users = [f"u{number}" for number in range(int(shop.users * RECENT_USERS))]
    for start in range(0, len(users), 1000):
        events = [
            {"event_type": "view", "user_id": user, "item_id": f"{MARKS[0]}{chooser.randrange(shop.items)}"}
            for user in users[start : start + 1000]
        ]
        service.ask("/v1/events", events)


def _swap(
    service: RunningService, shop: Shop, wrk: Wrk, mix: Path, pause_ms: float, users: list[str]
) -> tuple[Load, int]:
    """Publish every table anew under load; a checker meanwhile looks into answers.

    The service follows each table's flip by itself, so an answer may hold new ranked and old default items; the items
    of one table must be of one version, and answers with the same `version` must agree on it.
    """
    seconds = 12.0
    load = wrk.start(mix, seconds, pause_ms)
    done = threading.Event()
    mixed = 0
    marks_of: dict[tuple[object, str], str] = {}

    def check() -> None:
        nonlocal mixed
        for user in users:
            if done.is_set():
                return
            answer = service.ask(f"/v1/recommendations?user_id={user}&limit=100")
            for item in answer["items"]:  # type: ignore[attr-defined]
                if item["reason"] in ONE_TABLE:
                    known = marks_of.setdefault((answer["version"], item["reason"]), item["item_id"][0])
                    mixed += known != item["item_id"][0]
            time.sleep(0.01)

    checker = threading.Thread(target=check)
    checker.start()
    shop.publish(service.context, MARKS[1])
    seen = wrk.finish(load)
    done.set()
    checker.join()
    if MARKS[1] not in set(marks_of.values()):
        raise RuntimeError("the new version was not seen before the load ended")
    return seen, mixed

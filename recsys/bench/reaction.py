"""How soon an event shows: from sending it to the first answer that is based on it, while others send theirs.

Straight to Postgres and through RabbitMQ; asked of the service that took the event, and of another host, which sees it
when it is stored.
"""

import http.client
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from recsys.bench.events import BATCH, BATCHES, batch
from recsys.bench.service import RunningService, Shop, running_service
from recsys.bench.wrk import Request, Wrk
from recsys.stack.temporary import broker_in
from recsys.storage import postgres

CONNECTIONS = 4
PATIENCE_S = 30
PAUSE_S = 0.02  # between two watched events
RATE = 6_300  # events a second offered; some 5,100 are sent, as each connection also waits for its answers


def measure(seconds: float = 20, rate: int = RATE, shop: Shop | None = None) -> dict[str, float]:
    """One run each way.

    Returns:
        by way (`direct`, `queue`) and place (`here`, `elsewhere`) `…_p50_ms` and `…_p99_ms`; `…_events_per_s` beside
        them; `errors` of the load; `queue_lost`: acknowledged events that Postgres lacks at the end.
    """
    shop = shop or Shop(users=1_000, items=2_000)
    figures: dict[str, float] = {"errors": 0}
    with running_service(shop) as service:
        _run("direct", service, seconds, rate, figures)
    with (
        tempfile.TemporaryDirectory(prefix="recsys-bench-") as folder,
        broker_in(Path(folder)) as broker,
        running_service(shop, variables={"EVENTS_QUEUE_URL": broker.url}) as service,
        service.worker(),
    ):
        sent = _run("queue", service, seconds, rate, figures)
        deadline = time.monotonic() + PATIENCE_S
        while (stored := _stored(service)) < sent and time.monotonic() < deadline:
            time.sleep(0.2)
        figures["queue_lost"] = max(0, sent - stored)
    return figures


def _run(way: str, service: RunningService, seconds: float, rate: int, figures: dict[str, float]) -> int:
    """Adds its figures; returns how many events were acknowledged."""
    with tempfile.TemporaryDirectory() as name, service.another_host() as other:
        wrk = Wrk(service.address, Path(name), CONNECTIONS)
        chooser = random.Random(1)
        mix = wrk.mix("events", [Request("/v1/events", service.key, batch(chooser)) for _ in range(BATCHES)])
        warm = wrk.run(mix, 3, pause_ms=1000 * CONNECTIONS * BATCH / rate) if rate else None
        load = wrk.start(mix, seconds, pause_ms=1000 * CONNECTIONS * BATCH / rate) if rate else None
        taken: dict[str, list[float]] = {}
        until = time.monotonic() + seconds - 1
        watchers = [
            threading.Thread(target=_watch, args=(place, asked, service, until, taken.setdefault(place, [])))
            for place, asked in (("here", service), ("elsewhere", other))
        ]
        for watcher in watchers:
            watcher.start()
        for watcher in watchers:
            watcher.join()
        seen = wrk.finish(load) if load else None
    for place, times in taken.items():
        figures[f"{way}_{place}_p50_ms"] = 1000 * statistics.median(times)
        figures[f"{way}_{place}_p99_ms"] = 1000 * statistics.quantiles(times, n=100)[98]
        figures[f"{way}_{place}_watched"] = len(times)
    loads = [each for each in (warm, seen) if each]
    figures[f"{way}_events_per_s"] = seen.rps * BATCH if seen else 0
    figures["errors"] += sum(each.errors for each in loads)
    return sum(each.requests for each in loads) * BATCH + sum(map(len, taken.values()))


def _watch(place: str, asked: RunningService, told: RunningService, until: float, taken: list[float]) -> None:
    """Tell one service of an event, ask another until its answer is based on it; each time with a user of its own."""
    with _connection(told) as tell, _connection(asked) as ask:
        while time.monotonic() < until:
            user = f"watched-{place}-{len(taken)}"
            event = {"event_type": "view", "user_id": user, "item_id": f"a{len(taken) % 2_000}"}
            started = time.perf_counter()
            _answer(tell, "POST", "/v1/events", told.key, json.dumps(event))
            while True:
                answer = _answer(ask, "GET", f"/v1/recommendations/online/{user}?limit=1", asked.key)
                if answer["items"][0]["based_on"] == event["item_id"]:
                    break
                if time.perf_counter() > started + PATIENCE_S:
                    raise RuntimeError(f"an event of {user} was not seen {place}")
                time.sleep(0.001)
            taken.append(time.perf_counter() - started)
            time.sleep(PAUSE_S)


@contextmanager
def _connection(service: RunningService) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(service.address).netloc, timeout=PATIENCE_S)
    try:
        yield connection
    finally:
        connection.close()


def _answer(connection: http.client.HTTPConnection, method: str, path: str, key: str, body: str | None = None) -> dict:  # type: ignore[type-arg]
    connection.request(method, path, body, {"X-API-Key": key, "Content-Type": "application/json"})
    answer = connection.getresponse()
    document: dict[str, object] = json.loads(answer.read())
    if answer.status != http.client.OK:
        raise RuntimeError(f"{method} {path} was answered {answer.status}: {document}")
    return document


def _stored(service: RunningService) -> int:
    with postgres.transaction(service.context.postgres) as cursor:
        cursor.execute("select count(*) from raw.collected_events")
        return int((cursor.fetchone() or (0,))[0])

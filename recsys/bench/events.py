"""How many events a second are acknowledged, that is committed."""

import json
import random
import tempfile
from pathlib import Path

from recsys.bench.service import Shop, running_service
from recsys.bench.wrk import Request, Wrk
from recsys.storage import postgres

BATCH = 50
CONNECTIONS = 4
PACE = 7_500  # events a second offered in the steady run
BATCHES = 500  # different bodies; ids differ in every request


def measure(seconds: float = 15, shop: Shop | None = None) -> dict[str, float]:
    """Batches of 50: first at a steady pace, as a shop sends them, then as fast as they are acknowledged.

    Returns:
        `events_per_s, p50_ms, p99_ms` (of a batch) at the steady pace; `full_events_per_s, full_p99_ms` at full load;
        `errors`, and `lost`: acknowledged events that Postgres lacks.
    """
    shop = shop or Shop(users=1_000, items=2_000)
    with tempfile.TemporaryDirectory() as name, running_service(shop) as service:
        wrk = Wrk(service.address, Path(name), CONNECTIONS)
        chooser = random.Random(1)
        mix = wrk.mix("events", [Request("/v1/events", service.key, batch(chooser)) for _ in range(BATCHES)])
        wrk.run(mix, 3)
        before = _stored(service.context.postgres)
        steady = wrk.run(mix, seconds, pause_ms=1000 * CONNECTIONS * BATCH / PACE)
        full = wrk.run(mix, seconds)
        stored = _stored(service.context.postgres) - before
    acknowledged = (steady.requests + full.requests) * BATCH
    return {
        "events_per_s": steady.rps * BATCH,
        "p50_ms": steady.p50_ms,
        "p99_ms": steady.p99_ms,
        "full_events_per_s": full.rps * BATCH,
        "full_p99_ms": full.p99_ms,
        "errors": steady.errors + full.errors,
        "lost": max(0, acknowledged - stored),
    }


def batch(chooser: random.Random) -> str:
    """A request's body of `BATCH` events, mostly views."""
    return json.dumps(
        [
            {
                "event_id": "@ID@",
                "event_type": chooser.choices(["view", "add_to_cart", "purchase"], [96.7, 2.5, 0.8])[0],
                "user_id": f"u{chooser.randrange(1_400_000)}",
                "item_id": f"a{chooser.randrange(235_000)}",
            }
            for _ in range(BATCH)
        ]
    )


def _stored(settings: postgres.PostgresSettings) -> int:
    with postgres.transaction(settings) as cursor:
        cursor.execute("select count(*) from raw.collected_events")
        return int((cursor.fetchone() or (0,))[0])

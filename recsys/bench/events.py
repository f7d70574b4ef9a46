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
BATCHES = 500  # different bodies; ids differ in every request


def measure(seconds: float = 15, shop: Shop | None = None) -> dict[str, float]:
    """Send batches of 50 as fast as they are acknowledged.

    Returns:
        `events_per_s, p99_ms` (of a batch), `p50_ms, errors`, and `lost`: acknowledged events that Postgres lacks.
    """
    shop = shop or Shop(users=1_000, items=2_000)
    with tempfile.TemporaryDirectory() as name, running_service(shop) as service:
        wrk = Wrk(service.address, Path(name), CONNECTIONS)
        chooser = random.Random(1)
        mix = wrk.mix("events", [Request("/v1/events", service.key, _batch(chooser)) for _ in range(BATCHES)])
        wrk.run(mix, 3)
        before = _stored(service.context.postgres)
        load = wrk.run(mix, seconds)
        stored = _stored(service.context.postgres) - before
    acknowledged = load.requests * BATCH
    return {
        "events_per_s": load.rps * BATCH,
        "p50_ms": load.p50_ms,
        "p99_ms": load.p99_ms,
        "errors": load.errors,
        "lost": max(0, acknowledged - stored),
    }


def _batch(chooser: random.Random) -> str:
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

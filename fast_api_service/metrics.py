"""All metrics of the service, correct with several workers, and the middleware that times requests.

How they are kept cheap: docs/decisions/service-metrics.md.
"""

import os
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import psutil
from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram, multiprocess
from prometheus_fastapi_instrumentator import Instrumentator
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

REQUEST_SECONDS = Histogram(
    "recsys_http_request_duration_seconds",
    "Time from a request's arrival to the end of its answer, all statuses.",
    ["method", "route", "status"],
    buckets=LATENCY_BUCKETS,
)
REQUESTS = Counter("recsys_http_requests_total", "Requests answered.", ["method", "route", "status"])
ANSWERS = Counter(
    "recsys_recommendation_answers_total", "Answers with items, by the first item's source.", ["placement", "source"]
)
ITEMS = Counter("recsys_recommended_items_total", "Items shown, by source.", ["source"])
DEGRADED = Counter("recsys_degraded_answers_total", "Answers given from the last good state.", ["reason"])
EVENTS = Counter("recsys_events_ingested_total", "Events committed or queued, duplicates not counted.", ["event_type"])
REJECTED = Counter("recsys_events_rejected_total", "Events refused.", ["reason"])

# Facts about the host: every worker may report them, the newest report counts.
SNAPSHOT_VERSION = Gauge(
    "recsys_snapshot_version", "Active version of a table.", ["table"], multiprocess_mode="mostrecent"
)
SNAPSHOT_AGE = Gauge(
    "recsys_snapshot_age_seconds", "Time since a table was published.", ["table"], multiprocess_mode="mostrecent"
)
LAST_EVENT = Gauge(
    "recsys_events_last_ingested_timestamp_seconds",
    "When an event was last committed, seconds since the epoch.",
    multiprocess_mode="max",
)
RECENT_BYTES = Gauge("recsys_recent_store_bytes", "Size of the recent store.", multiprocess_mode="mostrecent")
STEP_SUCCESS = Gauge(
    "recsys_step_last_success_timestamp_seconds",
    "When a pipeline step last succeeded, seconds since the epoch.",
    ["step"],
    multiprocess_mode="mostrecent",
)
STEP_SECONDS = Gauge(
    "recsys_step_duration_seconds", "How long its last success took.", ["step"], multiprocess_mode="mostrecent"
)
GATE = Gauge(
    "recsys_gate_last_decision",
    "1: the newest model was published; 0: the champion was kept.",
    ["model"],
    multiprocess_mode="mostrecent",
)
DECISION_PROBLEM = Gauge(
    "recsys_configuration_problem",
    "1: what the database holds is not usable (`what`: configuration or rules) and the last good state stays in use.",
    ["what"],
    multiprocess_mode="mostrecent",
)
# Facts about a worker: added up over those alive.
POOL = Gauge("recsys_postgres_pool_connections", "Postgres connections.", ["state"], multiprocess_mode="livesum")
MEMORY = Gauge("recsys_process_resident_memory_bytes", "Resident memory of all workers.", multiprocess_mode="livesum")


def install(app: FastAPI) -> None:
    """Time every request and expose `/metrics`."""
    app.add_middleware(RequestTimer)
    Instrumentator().expose(
        app,
        tags=["health"],
        summary="Prometheus metrics",
        operation_id="metrics",
        response_class=PlainTextResponse,
    )


class RequestTimer:
    """Counts and times requests by route template, so that ids never become label values."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path_format", "none")
            observe, labels = _request(scope["method"], route, status)
            observe(time.perf_counter() - started)
            count(REQUESTS, labels)


@lru_cache(maxsize=1024)
def _request(method: str, route: str, status: int) -> tuple[Callable[[float], None], tuple[str, ...]]:
    labels = (method if method in METHODS else "other", route, str(status))
    return REQUEST_SECONDS.labels(*labels).observe, labels


_pending: dict[tuple[Counter, tuple[str, ...]], int] = {}


def count(counter: Counter, labels: tuple[str, ...], amount: int = 1) -> None:
    """Add to a counter at the next `hand_over`; a dictionary costs a tenth of the file that the workers share."""
    key = (counter, labels)
    _pending[key] = _pending.get(key, 0) + amount


def hand_over() -> None:
    """Bring what was counted where a scrape of any worker finds it."""
    for (counter, labels), amount in _pending.items():
        counter.labels(*labels).inc(amount)
    _pending.clear()


def forget_dead_workers() -> None:
    """Drop the live gauges of workers that were killed before they could do so themselves."""
    folder = Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", os.devnull))
    for file in folder.glob("gauge_live*_*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        if not psutil.pid_exists(pid):
            multiprocess.mark_process_dead(pid)


def report_worker() -> None:
    """Hand over this worker's counts, and note its memory."""
    hand_over()
    MEMORY.set(psutil.Process().memory_info().rss)

"""The worker: small jobs that keep live what the pipeline makes only once a day, each in a loop of its own.

One worker is active at a time, by an advisory lock in Postgres; others stand by. A job that fails is logged, counted
and tried again; it must leave no half-done work when it is cancelled, which one transaction sees to.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
from prometheus_client import Counter, Gauge

from recsys.settings import PostgresSettings
from recsys.storage.pool import UNAVAILABLE, connect, create_pool

LOCK = 7263002
POOL_SIZE = 8
JOB_TIMEOUT_MS = 60_000  # of one statement or transaction
LOOK_INTERVAL_S = 1.0  # at the lock: whether it is free, whether it still is ours

ACTIVE = Gauge("recsys_worker_active", "1: this worker holds the lock and runs the jobs; 0: it stands by.")
RUNS = Counter("recsys_worker_job_runs_total", "Runs of a job.", ["job", "outcome"])
LAST_SUCCESS = Gauge(
    "recsys_worker_job_last_success_timestamp_seconds", "When a job last succeeded, seconds since the epoch.", ["job"]
)
SECONDS = Gauge("recsys_worker_job_duration_seconds", "How long the last success of a job took.", ["job"])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """Something to do again and again.

    Attributes:
        name: its name in metrics and in the log.
        interval_s: the pause between the end of one run and the next.
        run: one run. It may also go on until it is cancelled, as a consumer of a queue does.
    """

    name: str
    interval_s: float
    run: Callable[[asyncpg.Pool], Awaitable[None]]


async def work(jobs: Sequence[Job], settings: PostgresSettings, stop: asyncio.Event) -> None:
    """Run the jobs whenever this worker is the active one, until `stop` is set."""
    pool = await create_pool(settings, POOL_SIZE, name="recsys-worker", timeout_ms=JOB_TIMEOUT_MS)
    try:
        while not stop.is_set():
            try:
                async with _lock(settings) as lock:
                    if lock is not None:
                        await _be_active(jobs, pool, lock, stop)
            except UNAVAILABLE as error:
                log.info("The worker waits for Postgres: %s", error)
            await _pause(stop, LOOK_INTERVAL_S)
    finally:
        pool.terminate()


@asynccontextmanager
async def _lock(settings: PostgresSettings) -> AsyncIterator[asyncpg.Connection | None]:
    """The connection that holds the lock; None when another worker has it."""
    connection = await connect(settings, name="recsys-worker-lock")
    try:
        held = await connection.fetchval("select pg_try_advisory_lock($1)", LOCK)
        yield connection if held else None
    finally:
        connection.terminate()  # the server frees the lock with the session


async def _be_active(jobs: Sequence[Job], pool: asyncpg.Pool, lock: asyncpg.Connection, stop: asyncio.Event) -> None:
    """Run the jobs until `stop` is set; raises when the lock is lost."""
    log.info("This worker is active: %s.", ", ".join(job.name for job in jobs))
    ACTIVE.set(1)
    tasks = [asyncio.create_task(_repeat(job, pool), name=job.name) for job in jobs]
    try:
        while not stop.is_set():
            await lock.fetchval("select 1")
            await _pause(stop, LOOK_INTERVAL_S)
    finally:
        ACTIVE.set(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _repeat(job: Job, pool: asyncpg.Pool) -> None:
    while True:
        started = time.monotonic()
        try:
            await job.run(pool)
        except UNAVAILABLE as error:
            RUNS.labels(job.name, "unavailable").inc()
            log.info("%s waits for a server: %s", job.name, error)
        except Exception:
            RUNS.labels(job.name, "failed").inc()
            log.exception("%s failed and will be tried again", job.name)
        else:
            RUNS.labels(job.name, "succeeded").inc()
            LAST_SUCCESS.labels(job.name).set_to_current_time()
            SECONDS.labels(job.name).set(time.monotonic() - started)
        await asyncio.sleep(job.interval_s)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return

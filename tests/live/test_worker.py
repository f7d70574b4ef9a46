"""The worker: one is active, a failing job is tried again and disturbs no other, a stop is clean."""

import asyncio
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from recsys.live import worker
from recsys.live.worker import Job, work
from recsys.settings import PostgresSettings
from recsys.stack.process import free_port
from tests.conftest import wait_until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "LOOK_INTERVAL_S", 0.02)


class Counted:
    """A job that counts its runs."""

    def __init__(self, failures: int = 0) -> None:
        self.runs, self.failures, self.cancelled = 0, failures, 0

    async def __call__(self, pool: asyncpg.Pool) -> None:
        self.runs += 1
        assert await pool.fetchval("select 1") == 1
        if self.runs <= self.failures:
            raise ValueError("broken")


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def working(shop: PostgresSettings, run: Callable[[asyncpg.Pool], Awaitable[None]]) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(work([Job("counted", 0.01, run)], shop, stop))
    yield
    stop.set()
    await asyncio.wait_for(task, 5)


async def test_a_failing_job_is_counted_and_tried_again(shop: PostgresSettings) -> None:
    job = Counted(failures=2)
    failed = worker.RUNS.labels("counted", "failed")._value.get()
    async with working(shop, job):
        await until(lambda: job.runs > 4)
    assert worker.RUNS.labels("counted", "failed")._value.get() - failed == 2
    assert worker.LAST_SUCCESS.labels("counted")._value.get() > 0


async def test_one_is_active_and_another_takes_over(shop: PostgresSettings, pool: asyncpg.Pool) -> None:
    first, second = Counted(), Counted()
    async with working(shop, first):
        await until(lambda: first.runs)
        async with working(shop, second):
            await asyncio.sleep(0.1)
            assert second.runs == 0
            # The lock is lost with its session, as when Postgres restarts: one of the two is active again.
            await pool.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'recsys-worker-lock' and datname = current_database()"
            )
            seen = first.runs + second.runs
            await until(lambda: first.runs + second.runs > seen + 3)


async def test_a_stop_cancels_what_goes_on(shop: PostgresSettings) -> None:
    ended = []

    async def consume(_: asyncpg.Pool) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async with working(shop, consume):
        await asyncio.sleep(0.1)
    assert ended == [True]


def test_the_program_shows_its_metrics_and_ends_on_sigterm(shop: PostgresSettings, tmp_path: Path) -> None:
    port = free_port()
    variables = os.environ | {
        "RECSYS_HOME": str(tmp_path),
        "POSTGRES_PORT": str(shop.port),
        "POSTGRES_DATABASE": shop.database,
        "POSTGRES_PASSWORD": shop.password.get_secret_value(),
        "WORKER_PORT": str(port),
    }
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "recsys.live"], env=variables, stderr=log)
    try:

        def active() -> bool:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                    return b"recsys_worker_active 1.0" in answer.read()
            except OSError:
                return False

        wait_until(active)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()

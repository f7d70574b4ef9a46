"""What a worker keeps at hand, so that a request asks no server, and the background tasks that keep it fresh."""

import asyncio
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from botocore.exceptions import BotoCoreError, ClientError

from fast_api_service import metrics
from fast_api_service.health import repository as pipeline_facts
from fast_api_service.recommendations.categories import Categories
from fast_api_service.recommendations.reserve import Reserve
from fast_api_service.reports import served
from fast_api_service.reports.served import Served
from recsys.placements.decisions import Decisions
from recsys.placements.plans import Plans
from recsys.publishing.availability import Availability
from recsys.publishing.erasures import Erasures, user_hash
from recsys.publishing.item_facts import ItemFacts
from recsys.publishing.leader import HostLeader
from recsys.publishing.live_lists import LiveLists
from recsys.publishing.recent import RecentStore
from recsys.publishing.snapshot import SnapshotFollower
from recsys.publishing.tail import Tailer
from recsys.schema import RecommendationTable
from recsys.settings import PipelineSettings, ServiceSettings, load
from recsys.storage.object_store import ObjectStore
from recsys.storage.pool import UNAVAILABLE

PROBE_INTERVAL_S = 2.0
PROBE_TIMEOUT_S = 5.0
# A worker that is not the leader waits so long for the lists that the leader fetches at the first start of a host.
FIRST_LOOK_S = 5.0

log = logging.getLogger(__name__)


@dataclass
class Dependency:
    """Whether something outside answers, as last seen."""

    name: str
    ok: bool = True
    since: float = 0.0
    detail: str = "not asked yet"

    def note(self, problem: str | None) -> None:
        """Remember what was seen; the time of a change stays."""
        if self.ok != (problem is None) or not self.since:
            self.since = time.time()
            log.info("%s %s", self.name, problem or "answers")
        self.ok, self.detail = problem is None, problem or "answers"

    def describe(self) -> dict[str, Any]:
        """For `/health/ready`."""
        return {"state": "ok" if self.ok else "unavailable", "detail": self.detail, "since": round(self.since)}


class ServiceState:
    """Snapshot, recent events, stock, and how the servers behind them are doing."""

    def __init__(self, settings: ServiceSettings, pool: asyncpg.Pool, store: ObjectStore) -> None:
        folder = settings.state_dir
        folder.mkdir(parents=True, exist_ok=True)
        self.settings, self.pool, self.store = settings, pool, store
        self.leader = HostLeader(folder / "leader.lock")
        self.follower = SnapshotFollower(folder / "snapshots", store, self.leader)
        self.recent = RecentStore(
            folder / "recent", settings.recent_store_max_mb * 1_000_000, settings.recent_events_per_key
        )
        self.tailer = Tailer(self.recent, self.leader)
        self.stock = Availability(folder / "unavailable.json", self.leader)
        self.facts = ItemFacts(folder / "item_facts", self.leader)
        self.decisions = Decisions(folder / "decisions.json", self.leader)
        self.plans = Plans(self.decisions, self.facts)
        self.categories = Categories(self.decisions, self.facts)
        self.live_lists = LiveLists()
        self.erasures = Erasures(folder / "erasures.json", self.leader, self.recent)
        self.reserve = Reserve(self.stock)
        self.served = Served()
        self.online_settings = load(PipelineSettings).i2i
        self.postgres, self.object_store = Dependency("Postgres"), Dependency("The object store")
        self.degraded: tuple[str, ...] = self._reasons()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Look once at everything, then keep looking in the background."""
        await self._refresh()
        give_up = time.monotonic() + FIRST_LOOK_S
        while self.postgres.ok and not self._has_all() and time.monotonic() < give_up:
            await asyncio.sleep(0.1)  # another worker leads, and is still fetching
            await self._refresh()
        interval = self.settings.refresh_interval_s
        self._tasks = [
            asyncio.create_task(forever(self._refresh, interval)),
            asyncio.create_task(forever(self._tail, self.settings.tail_interval_s)),
            asyncio.create_task(forever(self._probe_store, PROBE_INTERVAL_S)),
            asyncio.create_task(forever(self._report, interval)),
            asyncio.create_task(forever(self._save_served, served.INTERVAL_S)),
        ]

    def _has_all(self) -> bool:
        """Whether there are lists, and the facts of their items, which rules go by."""
        dataset = self.follower.current.dataset
        return dataset is not None and self.facts.dataset == dataset

    async def stop(self) -> None:
        """End the background tasks and close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await self._save_served()
        except UNAVAILABLE as error:
            log.info("The last counts of answers are lost: %s", error)
        metrics.hand_over()
        self.pool.terminate()

    async def _refresh(self) -> None:
        try:
            await self.pool.fetchval("select 1")
            self.postgres.note(None)
        except UNAVAILABLE as error:
            self.postgres.note(f"does not answer ({type(error).__name__})")
        await self.follower.refresh(self.pool.fetch)
        if self.postgres.ok:
            await self.stock.refresh(self.pool.fetch, self.follower.current.dataset)
            await self.live_lists.refresh(self.pool.fetch, self.follower.current.dataset)
            if erased := await self.erasures.refresh(self.pool.fetch, self.follower.current.dataset):
                self.live_lists.forget(lambda key: user_hash(key) in erased)
            await self.facts.refresh(self.pool.fetch, self.follower.current.dataset)
            decided = await self.decisions.refresh(self.pool.fetch, self.follower.current.dataset)
            if decided:
                await asyncio.to_thread(self.plans.renew)
                self.categories.forget()
        await self._follow_facts()
        self.degraded = self._reasons()

    async def _follow_facts(self) -> None:
        """Let go of what was concluded from facts that are different now, and of rules whose time is over."""
        changed = self.facts.changed()
        if changed is None or changed:
            await asyncio.to_thread(self.plans.forget, changed)
            self.categories.forget()
        else:
            await asyncio.to_thread(self.plans.keep_time)

    async def _tail(self) -> None:
        if self.postgres.ok:
            await self.tailer.step(self.pool.fetch)

    async def _probe_store(self) -> None:
        try:
            probe = asyncio.to_thread(self.store.client.head_bucket, Bucket=self.store.bucket)
            await asyncio.wait_for(probe, PROBE_TIMEOUT_S)
            self.object_store.note(None)
        except (BotoCoreError, ClientError, TimeoutError) as error:
            self.object_store.note(f"does not answer ({type(error).__name__})")

    async def _report(self) -> None:
        _end_with_the_supervisor()
        self.served.hand_over()
        metrics.report_worker()
        metrics.POOL.labels("idle").set(self.pool.get_idle_size())
        metrics.POOL.labels("used").set(self.pool.get_size() - self.pool.get_idle_size())
        if not self.leader.acquire():
            return
        metrics.forget_dead_workers()
        for what in ("configuration", "rules"):
            metrics.DECISION_PROBLEM.labels(what).set(what in self.decisions.problems)
        metrics.RECENT_BYTES.set(self.recent.bytes_used())
        for table, file in self.follower.current.tables.items():
            metrics.SNAPSHOT_VERSION.labels(table).set(file.version)
            metrics.SNAPSHOT_AGE.labels(table).set(time.time() - file.published_at.timestamp())
        if self.postgres.ok:
            await pipeline_facts.report(self.pool)

    async def _save_served(self) -> None:
        if self.postgres.ok:
            await self.served.save(self.pool, self.follower.current.dataset)

    def _reasons(self) -> tuple[str, ...]:
        """Why answers are degraded, as stable codes."""
        snapshot = self.follower.current
        oldest = min((file.published_at.timestamp() for file in snapshot.tables.values()), default=time.time())
        found = {
            "postgres_unavailable": not self.postgres.ok,
            "object_store_unavailable": not self.object_store.ok,
            "snapshot_missing": RecommendationTable.DEFAULT not in snapshot.tables,
            "snapshot_stale": time.time() - oldest > self.settings.stale_after_hours * 3600,
            "snapshot_refused": bool(self.follower.problems.keys() - {"postgres", "object_store"}),
        }
        return tuple(reason for reason, holds in found.items() if holds)

    def describe(self) -> dict[str, Any]:
        """Each dependency with its state, for `/health/ready`."""
        snapshot = self.follower.current
        return {
            "postgres": self.postgres.describe(),
            "object_store": self.object_store.describe(),
            "snapshot": {
                "state": "ok" if RecommendationTable.DEFAULT in snapshot.tables else "missing",
                "dataset": snapshot.dataset,
                "version": snapshot.generation,
                "problems": self.follower.problems,
                "tables": {
                    str(table): {
                        "version": file.version,
                        "keys": file.keys,
                        "age_s": round(time.time() - file.published_at.timestamp()),
                    }
                    for table, file in snapshot.tables.items()
                },
            },
            "recent_store": {"state": "ok", "bytes": self.recent.bytes_used()},
            "stock": {"state": "ok", "unavailable_items": len(self.stock.unavailable)},
        }


def _end_with_the_supervisor() -> None:
    """A worker whose supervisor was killed would hold the port against the next start."""
    supervisor = multiprocessing.parent_process()
    if supervisor and not supervisor.is_alive():
        log.error("The supervisor is gone; this worker ends too.")
        os.kill(os.getpid(), signal.SIGTERM)


async def forever(look: Callable[[], Awaitable[None]], pause_s: float) -> None:
    """Repeat `look`; a failure is logged and never ends the loop."""
    while True:
        try:
            await look()
        except UNAVAILABLE as error:
            log.info("%s waits for a server: %s", look.__name__, error)
        except Exception:
            log.exception("%s failed and will be tried again", look.__name__)
        await asyncio.sleep(pause_s)

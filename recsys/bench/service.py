"""The service under test: real Postgres, S3 and service processes, and a synthetic shop published to them."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from recsys import api_keys
from recsys.api_keys import Scope
from recsys.errors import UnavailableError
from recsys.pipeline.context import RunContext
from recsys.publishing.versions import publish
from recsys.schema import Columns, RecommendationTable, SnapshotTable
from recsys.settings import MlflowSettings, ObjectStoreSettings, PipelineSettings, PostgresSettings
from recsys.stack.process import free_port
from recsys.stack.temporary import running, temporary_suite
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

START_TIMEOUT_S = 60


@dataclass(frozen=True)
class Shop:
    """Sizes of the synthetic shop: every user has `listed` ranked items, every item `neighbours` similar ones."""

    users: int = 50_000
    items: int = 20_000
    listed: int = 100
    neighbours: int = 50
    unavailable_share: float = 0.2

    def publish(self, context: RunContext, mark: str) -> None:
        """Put a version of every table into service; its item ids begin with `mark`, so that a mixture shows."""
        users = [f"u{number}" for number in range(self.users)]
        items = [f"{mark}{number}" for number in range(self.items)]
        publish(context, RecommendationTable.SIMILAR, [self._lists(items, self.neighbours, mark, 1)], {})
        publish(context, RecommendationTable.RANKED, [self._lists(users, self.listed, mark, 2)], {})
        publish(context, SnapshotTable.PURCHASES, [self._lists(users, 5, mark, 3).drop(Columns.SCORES)], {})
        publish(context, RecommendationTable.DEFAULT, [self._lists([""], self.listed, mark, 4)], {})

    def stock(self, database: PostgresSettings, marks: tuple[str, ...]) -> None:
        """The dataset, and which items are unavailable."""
        with postgres.transaction(database) as cursor:
            cursor.execute("insert into raw.datasets (name, source, is_active) values ('bench', 'synthetic', true)")
            cursor.execute(
                "insert into recs.item_state"
                " (dataset, item_id, is_available, category_id, brand, price, stock, tags)"
                " select 'bench', mark || n, random() >= %s, 'c' || n %% 101, 'b' || n %% 71, n %% 97, n %% 41,"
                " case n %% 3 when 0 then '{new}'::text[] else '{}' end"
                " from unnest(%s) mark, generate_series(0, %s) n",
                (self.unavailable_share, list(marks), self.items - 1),
            )

    def _lists(self, keys: list[str], size: int, mark: str, seed: int) -> pl.DataFrame:
        # Evenly spaced from a random start: different within a list without sorting or hashing.
        random = np.random.default_rng(seed)
        step = self.items // size
        numbers = (random.integers(self.items, size=(len(keys), 1)) + step * np.arange(size)) % self.items
        scores = np.broadcast_to(np.linspace(1, 0.01, size, dtype=np.float32), numbers.shape)
        names = pl.Series(numbers.ravel()).cast(pl.String)
        return pl.DataFrame(
            {
                Columns.KEY: keys,
                Columns.ITEMS: (mark + names).reshape((len(keys), size)).arr.to_list(),
                Columns.SCORES: pl.Series(scores.ravel()).reshape((len(keys), size)).arr.to_list(),
            }
        ).sort(Columns.KEY)


@dataclass(frozen=True)
class RunningService:
    """Where the service is, a key for it, and what publishes to it."""

    address: str
    key: str
    context: RunContext
    folder: Path
    environment: Mapping[str, str]

    def ask(self, path: str, body: object = None, method: str | None = None) -> dict[str, object]:
        """The JSON answer of a GET, or of a POST of `body`, or of another method."""
        headers = {"X-API-Key": self.key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, headers, method=method)  # noqa: S310 - our own address
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            document: dict[str, object] = json.loads(answer.read())
            return document

    @contextmanager
    def worker(self) -> Iterator[None]:
        """The worker behind it, for the length of the block."""
        variables = {**self.environment, "WORKER_PORT": str(free_port())}
        with running([sys.executable, "-m", "recsys.live"], self.folder / "worker.log", environment=variables):
            yield

    @contextmanager
    def another_host(self) -> Iterator["RunningService"]:
        """A service of one worker that shares the servers with this one, and nothing else."""
        folder = self.folder / "another-host"
        folder.mkdir()
        more = {"SERVICE_STATE_DIR": str(folder), "SERVICE_API_KEYS_FILE": str(self.folder / "api_keys.json")}
        with _started(self.context, self.key, folder, {**self.environment, **more}, workers=1) as service:
            yield service


@contextmanager
def running_service(
    shop: Shop, marks: tuple[str, ...] = ("a",), workers: int = 2, variables: Mapping[str, str] | None = None
) -> Iterator[RunningService]:
    """The service on a free port with `shop` published, marked by the first of `marks`."""
    with temporary_suite() as environment:
        folder = Path(environment["RECSYS_HOME"])
        context = _context(environment)
        shop.stock(context.postgres, marks)
        shop.publish(context, marks[0])
        key = api_keys.create(folder / "api_keys.json", "bench", [Scope.ADMIN])
        environment.pop("SERVICE_STATE_DIR", None)
        with _started(context, key, folder, {**environment, **(variables or {})}, workers) as service:
            yield service


@contextmanager
def _started(
    context: RunContext, key: str, folder: Path, environment: Mapping[str, str], workers: int
) -> Iterator[RunningService]:
    port = free_port()
    variables = {**environment, "SERVICE_PORT": str(port), "SERVICE_WORKERS": str(workers)}
    log = folder / "service.log"
    with running([sys.executable, "-m", "fast_api_service"], log, environment=variables) as child:
        service = RunningService(f"http://127.0.0.1:{port}", key, context, folder, environment)
        _wait(service, child, log)
        yield service


def _context(environment: dict[str, str]) -> RunContext:
    return RunContext(
        run_id="bench",
        dataset="bench",
        settings=PipelineSettings(_env_file=None),  # type: ignore[call-arg]
        postgres=PostgresSettings(
            port=int(environment["POSTGRES_PORT"]),
            database=environment["POSTGRES_DATABASE"],
            password=environment["POSTGRES_PASSWORD"],
        ),
        store=ObjectStore(
            ObjectStoreSettings(
                endpoint_url=environment["S3_ENDPOINT_URL"],
                access_key=environment["S3_ACCESS_KEY"],
                secret_key=environment["S3_SECRET_KEY"],
                bucket=environment["S3_BUCKET"],
            )
        ),
        mlflow=MlflowSettings(),
    )


def _wait(service: RunningService, child: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            if service.ask("/health/ready")["status"] == "ready":
                return
        except OSError:
            pass
        if child.poll() is not None or time.monotonic() > deadline:
            raise UnavailableError(f"The service did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)

"""The real service in processes of its own, for tests over HTTP."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from recsys import api_keys
from recsys.api_keys import Scope
from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack.process import free_port
from recsys.stack.temporary import variables


@dataclass
class Service:
    """A started service and a client of it. Each request opens a connection of its own, so any worker may answer."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    keys: dict[str, str]
    folder: Path

    def get(self, path: str, key: str = "admin", **parameters: Any) -> httpx.Response:
        return self.client.get(path, params=parameters or None, headers={"X-API-Key": self.keys[key]})

    def post(self, path: str, body: Any, key: str = "admin") -> httpx.Response:
        return self.client.post(path, json=body, headers={"X-API-Key": self.keys[key]})

    def put(self, path: str, body: Any, key: str = "admin") -> httpx.Response:
        return self.client.put(path, json=body, headers={"X-API-Key": self.keys[key]})

    def delete(self, path: str, key: str = "admin") -> httpx.Response:
        return self.client.delete(path, headers={"X-API-Key": self.keys[key]})

    def items(self, path: str, **parameters: Any) -> list[str]:
        answer = self.get(path, **parameters)
        assert answer.status_code == 200, answer.text
        return [item["item_id"] for item in answer.json()["items"]]

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def kill(self) -> None:
        """End parent and workers at once, without a chance to say goodbye."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.client.get("/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


def environment(database: PostgresSettings, bucket: ObjectStoreSettings, folder: Path, **more: str) -> dict[str, str]:
    """What the service is told about its servers."""
    return (
        {name: value for name, value in os.environ.items() if not name.startswith("SERVICE_")}
        | variables(folder, database, bucket)
        | {
            "SERVICE_PORT": str(free_port()),
            "SERVICE_REFRESH_INTERVAL_S": "0.2",
        }
        | more
    )


def start(environ: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """The service as its own process group."""
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fast_api_service"], stdout=log, stderr=log, env=environ, start_new_session=True
        )


@contextmanager
def service(variables: dict[str, str], folder: Path) -> Iterator[Service]:
    """A service that is ready, with keys `reader`, `events` and `admin`; killed at the end."""
    path = folder / "api_keys.json"
    if not path.exists():
        for name, scope in {"reader": Scope.READ, "events": Scope.EVENTS, "admin": Scope.ADMIN}.items():
            (folder / f"{name}.key").write_text(api_keys.create(path, name, [scope]))
    keys = {name: (folder / f"{name}.key").read_text() for name in ("reader", "events", "admin")}
    address = f"http://127.0.0.1:{variables['SERVICE_PORT']}"
    limits = httpx.Limits(max_keepalive_connections=0)
    process = start(variables, folder)
    with httpx.Client(base_url=address, timeout=60, limits=limits) as client:
        running = Service(process, client, keys, folder)
        try:
            running.wait()
            yield running
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    running.kill()

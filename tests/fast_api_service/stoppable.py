"""Servers that a test stops and starts again on the same port, with their data."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack import postgres_server, s3_server
from recsys.stack.process import free_port, open_path_for, unprivileged
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore


@dataclass
class Server:
    """A process that can come and go."""

    command: list[str]
    log: Path
    environment: dict[str, str] | None = None
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        account = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # type: ignore[call-overload]
                self.command, stdout=output, stderr=output, env=self.environment, cwd="/", **account
            )

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # for Postgres: do not wait for sessions to end
            self.process.wait(15)


@dataclass
class Servers:
    """Postgres with its schema, and S3."""

    database: PostgresSettings
    bucket: ObjectStoreSettings
    postgres: Server
    s3: Server


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Both, started."""
    for name in ("postgres", "s3"):
        (folder / name).mkdir()
    (folder / "s3" / "root").mkdir()
    database = PostgresSettings(port=free_port(), database="postgres", user="recsys", password=secrets.token_hex(12))
    data = folder / "postgres" / "data"
    open_path_for(data)
    postgres_server.initialise(data, database.user, database.password.get_secret_value())
    port = free_port()
    bucket = ObjectStoreSettings(
        endpoint_url=f"http://127.0.0.1:{port}", access_key="test", secret_key=secrets.token_hex(16)
    )
    environment = os.environ | s3_server.environment(bucket.access_key, bucket.secret_key.get_secret_value())
    found = Servers(
        database,
        bucket,
        Server(postgres_server.command(data, database.port), folder / "postgres" / "log", user=unprivileged()),
        Server(s3_server.command(folder / "s3" / "root", port), folder / "s3" / "log", environment),
    )
    try:
        found.postgres.start()
        found.s3.start()
        postgres.wait(database, print)
        postgres.migrate(database)
        ObjectStore(bucket).wait(print)
        yield found
    finally:
        found.postgres.stop()
        found.s3.stop()

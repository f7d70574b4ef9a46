"""Real servers for the length of a `with` block, on free ports, in their own folder: for tests and benchmarks."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from recsys.errors import UnavailableError
from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack import postgres_server, rabbitmq_server, s3_server
from recsys.stack.process import free_port, open_path_for, unprivileged
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

START_TIMEOUT_S = 60


@contextmanager
def running(
    command: list[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process for the length of the block, its output in `log`; killed if it does not end when asked."""
    with log.open("ab") as output:
        # The user's own group too: with root's group left, a folder that is open to others would be closed to us.
        child = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=environment,
            cwd="/",
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def postgres_in(folder: Path, *options: str) -> Iterator[PostgresSettings]:
    """A Postgres server with its data in `folder`; yields the settings of its maintenance database.

    Args:
        options: further server settings, as `name=value`.
    """
    open_path_for(folder / "data")
    settings = PostgresSettings(port=free_port(), database="postgres", user="recsys", password=secrets.token_hex(12))
    postgres_server.initialise(folder / "data", settings.user, settings.password.get_secret_value())
    extra = [part for option in options for part in ("-c", option)]
    command = [*postgres_server.command(folder / "data", settings.port), *extra]
    with running(command, folder / "log", user=unprivileged()):
        postgres.wait(settings, print)
        yield settings


@contextmanager
def s3_in(folder: Path) -> Iterator[ObjectStoreSettings]:
    """An S3 server with its buckets in `folder`."""
    port = free_port()
    settings = ObjectStoreSettings(
        endpoint_url=f"http://127.0.0.1:{port}", access_key="temporary", secret_key=secrets.token_hex(16)
    )
    environment = os.environ | s3_server.environment(settings.access_key, settings.secret_key.get_secret_value())
    (folder / "root").mkdir()
    with running(s3_server.command(folder / "root", port), folder / "log", environment=environment):
        ObjectStore(settings).wait(print)
        yield settings


@contextmanager
def broker_in(folder: Path) -> Iterator["Broker"]:
    """A RabbitMQ with its data in `folder`, started, and the name server that Erlang wants beside it."""
    open_path_for(folder / "data")
    port, node_port, name_port = free_port(), free_port(), free_port()
    password = secrets.token_hex(12)
    rabbitmq_server.initialise(folder, port, password)
    if account := unprivileged():
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, account, account)
    environment = rabbitmq_server.environment(folder, port, node_port, name_port)
    name_server = rabbitmq_server.name_server_command(name_port)
    with running(name_server, folder / "epmd.log", environment=environment, user=unprivileged()):
        broker = Broker(f"amqp://{rabbitmq_server.USER}:{password}@127.0.0.1:{port}/", folder, environment)
        broker.start()
        try:
            yield broker
        finally:
            broker.stop()


class Broker:
    """A RabbitMQ that can come and go, with its data."""

    def __init__(self, url: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.url, self._log, self._environment = url, folder / "broker.log", environment
        self._running = ExitStack()

    def start(self) -> None:
        """Returns when it takes connections.

        Raises:
            UnavailableError: it did not start; the end of its log is in the message.
        """
        child = self._running.enter_context(
            running(rabbitmq_server.command(), self._log, environment=self._environment, user=unprivileged())
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", urlsplit(self.url).port or 0), 1).close()
                return
            except OSError:
                if child.poll() is not None or time.monotonic() > deadline:
                    raise UnavailableError(f"RabbitMQ did not start: {self._log.read_text()[-2000:]}") from None
            time.sleep(0.1)

    def stop(self) -> None:
        """Returns when it has ended in order."""
        self._running.close()


def variables(home: Path, database: PostgresSettings, bucket: ObjectStoreSettings) -> dict[str, str]:
    """What points a process of the suite at these servers."""
    return {
        "RECSYS_HOME": str(home),
        "POSTGRES_HOST": database.host,
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DATABASE": database.database,
        "POSTGRES_USER": database.user,
        "POSTGRES_PASSWORD": database.password.get_secret_value(),
        "S3_ENDPOINT_URL": str(bucket.endpoint_url),
        "S3_ACCESS_KEY": bucket.access_key,
        "S3_SECRET_KEY": bucket.secret_key.get_secret_value(),
        "S3_BUCKET": bucket.bucket,
    }


@contextmanager
def temporary_suite() -> Iterator[dict[str, str]]:
    """Postgres (migrated), S3 and an MLflow registry in a file; yields the environment that points `recsys` at them."""
    with tempfile.TemporaryDirectory(prefix="recsys-suite-") as name, ExitStack() as servers:
        home = Path(name)
        (home / "postgres").mkdir()
        (home / "s3").mkdir()
        database = servers.enter_context(postgres_in(home / "postgres"))
        bucket = servers.enter_context(s3_in(home / "s3"))
        postgres.migrate(database)
        yield os.environ | variables(home, database, bucket) | {"MLFLOW_TRACKING_URI": f"sqlite:///{home}/mlflow.db"}

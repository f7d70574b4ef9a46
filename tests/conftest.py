"""Real servers shared by the whole test session: Postgres (schema migrated) and S3, on free ports, in a temporary folder.

Each test that asks for `database` or `bucket` gets a database or bucket of its own, so tests never see each other's rows.
"""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from recsys.settings import MlflowSettings, ObjectStoreSettings, PipelineSettings, PostgresSettings
from recsys.stack import postgres_server, s3_server
from recsys.stack.process import free_port, unprivileged
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

SHARED_DATA = Path(os.environ.get("RECSYS_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@contextmanager
def running(command: list[str], log: Path, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A child process for the length of the block, its output in `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdout=output, stderr=output, **options)  # type: ignore[call-overload]
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the developer's own embedded stack."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("RECSYS_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def postgres_server_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresSettings]:
    """A running Postgres server with a migrated template database; tests use `database` instead."""
    folder = tmp_path_factory.mktemp("postgres")
    for parent in [folder, *folder.parents[:3]]:
        if parent.stat().st_uid == os.geteuid():
            parent.chmod(0o755)
    settings = PostgresSettings(
        port=free_port(),
        database="template_recsys",
        user="recsys",
        password=secrets.token_hex(12),
        connect_timeout_s=30,
    )
    secret = settings.password.get_secret_value()
    postgres_server.initialise(folder / "data", "recsys", secret)
    quick = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    command = [*postgres_server.command(folder / "data", settings.port), *quick]
    with running(command, folder / "log", user=unprivileged(), cwd="/"):
        admin = settings.model_copy(update={"database": "postgres"})
        postgres.wait(admin, print)
        execute(admin, "create database template_recsys")
        postgres.migrate(settings)
        yield settings


def execute(settings: PostgresSettings, statement: str) -> None:
    """Run one statement outside a transaction."""
    connection = psycopg2.connect(settings.dsn())
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(statement)
    connection.close()


@pytest.fixture
def database(postgres_server_settings: PostgresSettings) -> Iterator[PostgresSettings]:
    """An empty, migrated database of the test's own."""
    name = f"test_{secrets.token_hex(6)}"
    admin = postgres_server_settings.model_copy(update={"database": "postgres"})
    execute(admin, f"create database {name} template template_recsys")
    yield postgres_server_settings.model_copy(update={"database": name})
    execute(admin, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def s3_server_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStoreSettings]:
    """A running S3 server; tests use `bucket` instead."""
    folder = tmp_path_factory.mktemp("s3")
    settings = ObjectStoreSettings(
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        access_key="test",
        secret_key=secrets.token_hex(16),
        bucket="test",
    )
    port = int(str(settings.endpoint_url).rsplit(":", 1)[1])
    environment = os.environ | s3_server.environment(settings.access_key, settings.secret_key.get_secret_value())
    (folder / "root").mkdir()
    with running(s3_server.command(folder / "root", port), folder / "log", env=environment):
        ObjectStore(settings).wait(print)
        yield settings


@pytest.fixture
def bucket(s3_server_settings: ObjectStoreSettings) -> ObjectStore:
    """An empty bucket of the test's own."""
    store = ObjectStore(s3_server_settings.model_copy(update={"bucket": f"test-{secrets.token_hex(6)}"}))
    store.wait(print)
    return store


@pytest.fixture
def mlflow_settings(tmp_path: Path) -> MlflowSettings:
    """Tracking and registry in a file database: the same client code as against the server."""
    return MlflowSettings(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def pipeline_settings() -> PipelineSettings:
    """Defaults, whatever the developer's environment says."""
    return PipelineSettings(_env_file=None)  # type: ignore[call-arg]


def wait_until(condition: object, seconds: float = 10.0, every: float = 0.05) -> None:
    """Poll a callable until it is true; fails with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    value = None
    while time.monotonic() < deadline:
        value = condition()  # type: ignore[operator]
        if value:
            return
        time.sleep(every)
    pytest.fail(f"condition not met within {seconds} s; last value {value!r}")

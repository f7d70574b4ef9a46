"""Real servers shared by the test session (Postgres with its schema, and S3), on free ports, in temporary folders.

A test that asks for `database` or `bucket` gets one of its own, so tests never see each other's rows.
"""

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from recsys.settings import MlflowSettings, ObjectStoreSettings, PipelineSettings, PostgresSettings
from recsys.sources.loader import load_source
from recsys.sources.report import LoadReport
from recsys.sources.simulator import Simulator, Sizes
from recsys.stack import temporary
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

# Processes that tests start would compile all their imports anew: 6 s for Airflow alone.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# A busy machine is no failure.
hypothesis_settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("patient")

SHARED_DATA = Path(os.environ.get("RECSYS_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The file that takes longest goes first, so that no worker is left with it at the end."""
    items.sort(key=lambda item: item.path.name != "test_stack.py")


@pytest.fixture(scope="session", autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or writes the developer's own embedded stack."""
    folder = tmp_path_factory.mktemp("home")
    patch = pytest.MonkeyPatch()
    patch.setenv("RECSYS_HOME", str(folder))
    yield folder
    patch.undo()


@pytest.fixture(scope="session")
def postgres_server_settings() -> Iterator[PostgresSettings]:
    """A running Postgres server with a migrated template database; tests use `database` instead."""
    quick = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
    # Not below pytest's own folder: another pytest that starts closes that to the user Postgres runs as.
    with (
        tempfile.TemporaryDirectory(prefix="recsys-tests-") as folder,
        temporary.postgres_in(Path(folder), *quick) as admin,
    ):
        execute(admin, "create database template_recsys")
        settings = admin.model_copy(update={"database": "template_recsys"})
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
    with temporary.s3_in(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture
def bucket(s3_server_settings: ObjectStoreSettings) -> ObjectStore:
    """An empty bucket of the test's own."""
    store = ObjectStore(s3_server_settings.model_copy(update={"bucket": f"test-{secrets.token_hex(6)}"}))
    store.wait(print)
    return store


@pytest.fixture(scope="session")
def broker() -> Iterator[temporary.Broker]:
    """A running RabbitMQ, shared by the session; a test that stops it starts it again."""
    with tempfile.TemporaryDirectory(prefix="recsys-tests-") as folder, temporary.broker_in(Path(folder)) as found:
        yield found


@pytest.fixture
def mlflow_settings(tmp_path: Path) -> MlflowSettings:
    """Tracking and registry in a file database: the same client code as against the server."""
    return MlflowSettings(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture(scope="session")
def mlflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated MLflow database with the experiment in it, made once because its migrations take seconds."""
    from mlflow import MlflowClient

    folder = tmp_path_factory.mktemp("mlflow")
    client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    client.create_experiment(MlflowSettings().experiment, artifact_location=str(folder / "artifacts"))
    return folder / "mlflow.db"


@pytest.fixture
def mlflow_database(mlflow_settings: MlflowSettings, mlflow_template: Path) -> MlflowSettings:
    """`mlflow_settings` with the database there already; for tests that talk to MLflow."""
    shutil.copy(mlflow_template, mlflow_settings.tracking_uri.removeprefix("sqlite:///"))
    return mlflow_settings


@pytest.fixture
def suite_environment(
    isolated_home: Path, database: PostgresSettings, bucket: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For commands, and whatever else reads its settings from the environment: this test's database and bucket."""
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in temporary.variables(isolated_home, database, bucket.settings).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def pipeline_settings() -> PipelineSettings:
    """Defaults, whatever the developer's environment says."""
    return PipelineSettings(_env_file=None)  # type: ignore[call-arg]


@pytest.fixture
def shared_data() -> Callable[[str], Path]:
    """Gives the path of a real data set, or skips the test where it is not at hand."""

    def find(name: str) -> Path:
        if not (SHARED_DATA / name).exists():
            pytest.skip(f"{name} is not in {SHARED_DATA}; set RECSYS_SHARED_DATA")
        return SHARED_DATA / name

    return find


@pytest.fixture
def load_simulated_shop(database: PostgresSettings) -> Callable[..., LoadReport]:
    """Loads a small simulated shop into `database`; takes `dataset`, `end` and the sizes of `Sizes`."""

    def load(*, dataset: str | None = None, end: datetime | None = None, **sizes: int) -> LoadReport:
        small = {"users": 200, "items": 80, "events": 3_000, "days": 30, "property_rows": 2_000}
        return load_source(Simulator(Sizes(**small | sizes), end), database, dataset=dataset)

    return load


def wait_until(condition: object, seconds: float = 60.0, every: float = 0.05) -> None:
    """Poll a callable until it is true; fails with its last value after `seconds`."""
    deadline = time.monotonic() + seconds
    value = None
    while time.monotonic() < deadline:
        value = condition()  # type: ignore[operator]
        if value:
            return
        time.sleep(every)
    pytest.fail(f"condition not met within {seconds} s; last value {value!r}")

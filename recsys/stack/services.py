"""The programs of the embedded stack: what each runs, as whom, what it is told, and how one sees that it works."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from recsys.settings import ObjectStoreSettings, PostgresSettings, home, load
from recsys.stack import environment as env
from recsys.stack import health, postgres_server, s3_server
from recsys.stack.process import tool, unprivileged
from recsys.stack.settings import HOST, StackSettings
from recsys.storage import postgres


@dataclass(frozen=True)
class Service:
    """One supervised program.

    Attributes:
        name: its name in the supervisor, in `recsys status` and of its log file.
        stage: programs of one stage start together; a stage starts when the one before it answers.
        check: what is wrong with it now; None when it works.
        command: its command line, built when it starts. Carries no secret.
        port_setting: field of StackSettings that holds its port; None when it listens nowhere.
        environment: the variables it is given; by default all of the env file.
        user: account to run as when we are root; None means ours.
        stop_signal: the signal that ends it in order.
        stop_as_group: whether its children get that signal as well.
    """

    name: str
    stage: int
    check: Callable[[StackSettings], str | None]
    command: Callable[[StackSettings], list[str]]
    port_setting: str | None = None
    environment: Callable[[StackSettings], dict[str, str]] = lambda _: env.read()
    user: Callable[[], str | None] = lambda: None
    stop_signal: str = "TERM"
    stop_as_group: bool = True

    def address(self, settings: StackSettings) -> str:
        """Where it listens, for people."""
        if self.port_setting is None:
            return ""
        scheme = "" if self.name == "postgres" else "http://"
        return f"{scheme}{HOST}:{self.port(settings)}"

    def port(self, settings: StackSettings) -> int:
        """The port it listens on; only for a service with a `port_setting`."""
        return int(getattr(settings, str(self.port_setting)))


def _s3_environment(_: StackSettings) -> dict[str, str]:
    store = load(ObjectStoreSettings)
    return s3_server.environment(store.access_key, store.secret_key.get_secret_value())


def _mlflow_environment(settings: StackSettings) -> dict[str, str]:
    store = load(ObjectStoreSettings)
    database = load(PostgresSettings, database="mlflow")
    return {
        "MLFLOW_BACKEND_STORE_URI": postgres.engine_url(database).render_as_string(hide_password=False),
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{store.bucket}/mlflow",
        "MLFLOW_HOST": HOST,
        "MLFLOW_PORT": str(settings.mlflow_port),
        "MLFLOW_WORKERS": "1",
        # Otherwise it starts ten processes for jobs that nobody here sends.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_S3_ENDPOINT_URL": str(store.endpoint_url),
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key.get_secret_value(),
        "AWS_DEFAULT_REGION": store.region,
        # rclone's S3 does not know the newer default checksums.
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
        "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    }


def _airflow(*arguments: str) -> Callable[[StackSettings], list[str]]:
    return lambda _: [str(tool("airflow")), *arguments]


SERVICES = (
    Service(
        "postgres",
        stage=1,
        check=health.postgres,
        command=lambda settings: postgres_server.command(home().absolute() / "postgres", settings.postgres_port),
        port_setting="postgres_port",
        environment=lambda _: {},
        user=unprivileged,
        stop_signal="INT",  # "fast": end sessions instead of waiting for them
        stop_as_group=False,  # it ends its children itself, in order; to them the same signal means other things
    ),
    Service(
        "s3",
        stage=1,
        check=health.object_store,
        command=lambda settings: s3_server.command(home().absolute() / "s3", settings.s3_port),
        port_setting="s3_port",
        environment=_s3_environment,
    ),
    Service(
        "mlflow",
        stage=2,
        check=lambda settings: health.http_ok(settings.mlflow_port, "/health"),
        command=lambda _: [str(tool("mlflow")), "server"],
        port_setting="mlflow_port",
        environment=_mlflow_environment,
    ),
    Service(
        "api",
        stage=2,
        check=lambda settings: health.http_ok(settings.api_port, "/health/live"),
        command=lambda _: [sys.executable, "-m", "fast_api_service"],
        port_setting="api_port",
    ),
    Service(
        "worker",
        stage=2,
        check=lambda settings: health.http_ok(settings.worker_port, "/metrics"),
        command=lambda _: [sys.executable, "-m", "recsys.live"],
        port_setting="worker_port",
    ),
    Service(
        "airflow-api",
        stage=3,
        check=partial(health.airflow, component="metadatabase"),
        command=_airflow("api-server"),
        port_setting="airflow_port",
    ),
    # The API server reads task logs from the disk itself, so the scheduler need not serve them on a port of its own.
    Service(
        "airflow-scheduler",
        stage=3,
        check=partial(health.airflow, component="scheduler"),
        command=_airflow("scheduler", "--skip-serve-logs"),
    ),
    Service(
        "airflow-dags",
        stage=3,
        check=partial(health.airflow, component="dag_processor"),
        command=_airflow("dag-processor"),
    ),
)

BY_NAME = {service.name: service for service in SERVICES}

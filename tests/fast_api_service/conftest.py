"""One published shop and one service of two workers, shared by the tests that leave them as they are."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsys.pipeline.context import RunContext
from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack.process import free_port
from recsys.stack.temporary import broker_in, running
from tests.fast_api_service import published_shop, running_service
from tests.fast_api_service.running_service import Service


@pytest.fixture(scope="session")
def shop(postgres_server_settings: PostgresSettings, s3_server_settings: ObjectStoreSettings) -> Iterator[RunContext]:
    """The published shop, in a database and bucket that the whole session shares."""
    with published_shop.published(postgres_server_settings, s3_server_settings) as run:
        yield run


@pytest.fixture(scope="session")
def api(shop: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on that shop. Tests use users of their own, because events stay."""
    folder = tmp_path_factory.mktemp("service")
    variables = running_service.environment(shop.postgres, shop.store.settings, folder)
    with running_service.service(variables, folder) as started:
        yield started


@pytest.fixture(scope="session")
def queued_shop(
    postgres_server_settings: PostgresSettings, s3_server_settings: ObjectStoreSettings
) -> Iterator[RunContext]:
    """A shop of the queue's own: its worker's lists would come into the answers of the other."""
    with published_shop.published(postgres_server_settings, s3_server_settings) as run:
        yield run


@pytest.fixture(scope="session")
def queued_api(queued_shop: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose events pass through a RabbitMQ of its own, where no other test's worker listens, and a worker."""
    folder = tmp_path_factory.mktemp("queued")
    with tempfile.TemporaryDirectory(prefix="recsys-tests-") as name, broker_in(Path(name)) as broker:
        more = {"EVENTS_QUEUE_URL": broker.url, "WORKER_PORT": str(free_port()), "SERVICE_WORKERS": "1"}
        variables = running_service.environment(queued_shop.postgres, queued_shop.store.settings, folder, **more)
        with (
            running([sys.executable, "-m", "recsys.live"], folder / "worker.log", environment=variables),
            running_service.service(variables, folder) as started,
        ):
            yield started

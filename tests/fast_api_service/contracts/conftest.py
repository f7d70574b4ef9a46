"""A shop of their own for tests that change it, with the service and the worker."""

import sys
from collections.abc import Iterator

import pytest

from recsys.pipeline.context import RunContext
from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack.process import free_port
from recsys.stack.temporary import running
from tests.fast_api_service import published_shop, running_service
from tests.fast_api_service.running_service import Service


@pytest.fixture(scope="session")
def shop(postgres_server_settings: PostgresSettings, s3_server_settings: ObjectStoreSettings) -> Iterator[RunContext]:
    with published_shop.published(postgres_server_settings, s3_server_settings) as run:
        yield run


@pytest.fixture(scope="session")
def api(shop: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("contracts")
    variables = running_service.environment(shop.postgres, shop.store.settings, folder, WORKER_PORT=str(free_port()))
    with (
        running([sys.executable, "-m", "recsys.live"], folder / "worker.log", environment=variables),
        running_service.service(variables, folder) as started,
    ):
        yield started

"""One published shop and one service of two workers, shared by the tests that leave them as they are."""

from collections.abc import Iterator

import pytest

from recsys.pipeline.context import RunContext
from recsys.settings import ObjectStoreSettings, PostgresSettings
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

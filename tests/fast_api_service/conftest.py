"""One published shop and one service of two workers, shared by the tests that leave them as they are."""

import secrets
from collections.abc import Iterator

import pytest

from recsys.pipeline.context import RunContext
from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.storage.object_store import ObjectStore
from tests.conftest import execute
from tests.fast_api_service import published_shop, running_service
from tests.fast_api_service.running_service import Service


@pytest.fixture(scope="session")
def shop(postgres_server_settings: PostgresSettings, s3_server_settings: ObjectStoreSettings) -> Iterator[RunContext]:
    """The published shop, in a database and bucket that the whole session shares."""
    name = f"service_{secrets.token_hex(6)}"
    admin = postgres_server_settings.model_copy(update={"database": "postgres"})
    execute(admin, f"create database {name} template template_recsys")
    store = ObjectStore(s3_server_settings.model_copy(update={"bucket": f"service-{secrets.token_hex(6)}"}))
    store.wait(print)
    run = published_shop.context(admin.model_copy(update={"database": name}), store)
    published_shop.publish_all(run)
    yield run
    execute(admin, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def api(shop: RunContext, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on that shop. Tests use users of their own, because events stay."""
    folder = tmp_path_factory.mktemp("service")
    variables = running_service.environment(shop.postgres, shop.store.settings, folder)
    with running_service.service(variables, folder) as started:
        yield started

"""The OpenAPI document holds: whatever is sent, there is no 5xx, and every answer is one that it describes.

`RECSYS_FUZZ_EXAMPLES=100` looks deeper: so many requests an operation, and the edges of every field.
"""

import os
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import (
    CoveragePhaseConfig,
    GenerationConfig,
    PhasesConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fast_api_service.app import create_app
from recsys.settings import ObjectStoreSettings, PostgresSettings
from tests.fast_api_service import published_shop, running_service
from tests.fast_api_service.running_service import Service

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DEEP = "RECSYS_FUZZ_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("RECSYS_FUZZ_EXAMPLES", 4))


@pytest.fixture(scope="module")
def fuzzed(
    postgres_server_settings: PostgresSettings,
    s3_server_settings: ObjectStoreSettings,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """A service with a shop of its own, because much of what is sent changes it."""
    folder = tmp_path_factory.mktemp("fuzzed")
    with published_shop.published(postgres_server_settings, s3_server_settings) as shop:
        variables = running_service.environment(shop.postgres, shop.store.settings, folder, SERVICE_WORKERS="1")
        with running_service.service(variables, folder) as started:
            yield started


phases = PhasesConfig(coverage=CoveragePhaseConfig(enabled=DEEP))
generation = GenerationConfig(modes=list(GenerationMode), deterministic=True, max_examples=EXAMPLES)
schema = schemathesis.openapi.from_dict(
    create_app().openapi(),
    config=SchemathesisConfig(projects=ProjectsConfig(default=ProjectConfig(generation=generation, phases=phases))),
)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_documented(case: schemathesis.Case, fuzzed: Service) -> None:
    address, key = str(fuzzed.client.base_url), fuzzed.keys["admin"]
    case.call_and_validate(base_url=address, headers={"X-API-Key": key}, checks=CHECKS)

"""`/v1/configuration` over HTTP: versions, who made them, roll back, and how soon they are in use."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service
from tests.fast_api_service.test_service import metric

PATH = "/v1/configuration"
# Of the placements, one that no other test asks for.
ONLY_NEW = {"placements": {"email": {"cascade": [{"source": "default", "size": 3}]}}}


@pytest.fixture(autouse=True)
def _as_built_in(api: Service) -> Iterator[None]:
    yield
    assert api.post(f"{PATH}/rollback", {"version": 0}).status_code == 200
    wait_until(lambda: all(len(emailed(api)) == 10 for _ in range(8)))


def emailed(api: Service) -> list[str]:
    return api.items("/v1/recommendations", placement="email", limit=10)


def test_a_change_is_a_version_and_in_use_within_a_moment(api: Service) -> None:
    before = api.get(PATH).json()
    made = api.put(PATH, ONLY_NEW | {"comment": "Three will do."})
    assert made.status_code == 200
    assert made.json()["version"] > before["version"]
    wait_until(lambda: all(len(emailed(api)) == 3 for _ in range(8)))
    found = api.get(PATH).json()
    assert (found["author"], found["comment"], found["problem"]) == ("admin", "Three will do.", None)
    assert found["placements"]["email"]["cascade"] == [{"source": "default", "enabled": True, "size": 3, "weight": 0.0}]
    assert found["placements"]["home"] == before["placements"]["home"]
    assert api.get(f"{PATH}/{before['version']}").json()["placements"] == before["placements"]


def test_the_history_says_who_changed_what_and_a_roll_back_is_a_version_too(api: Service) -> None:
    first = api.put(PATH, ONLY_NEW).json()["version"]
    api.put(PATH, {"placements": {"email": {"cascade": [{"source": "default", "size": 4}]}}})
    back = api.post(f"{PATH}/rollback", {"version": first, "comment": "Four is too many."}).json()
    assert back["restores"] == first
    newest, middle, oldest = api.get(f"{PATH}/history", limit=3).json()["versions"]
    assert (newest["version"], newest["author"], oldest["version"]) == (back["version"], "admin", first)
    assert newest["changes"] == [{"path": "placements.email.cascade.0.size", "before": 4, "after": 3}]
    assert middle["changes"] == [{"path": "placements.email.cascade.0.size", "before": 3, "after": 4}]
    page = api.get(f"{PATH}/history", limit=1).json()
    assert api.get(f"{PATH}/history", limit=1, before=page["before"]).json()["versions"] == [middle]


def test_who_was_slower_is_told_the_newest_version(api: Service, shop: RunContext) -> None:
    seen = api.get(PATH).json()["version"]
    newest = api.put(PATH, ONLY_NEW | {"replaces": seen}).json()["version"]
    refused = api.put(PATH, ONLY_NEW | {"replaces": seen})
    assert (refused.status_code, refused.json()["version"]) == (409, newest)
    assert api.get(PATH).json()["version"] == newest
    with ThreadPoolExecutor(4) as pool:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("lock table shop.configurations in share mode")  # who does not wait comes to its insert
            answers = [pool.submit(api.put, PATH, ONLY_NEW | {"replaces": newest}) for _ in range(4)]
            time.sleep(0.5)
        assert sorted(answer.result().status_code for answer in answers) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"placements": {"home": {"cascade": [{"source": "gess"}]}}}, "'ranked', 'personalized', 'online'"),
        ({"placements": {"hoem": {"cascade": []}}}, "'home', 'product', 'category'"),
        ({"placement": {}}, "Choose from 'placements'"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(api: Service, body: dict[str, Any], part: str) -> None:
    refused = api.put(PATH, body)
    assert refused.status_code == 422
    assert any(part in each["remedy"] for each in refused.json()["errors"]), refused.text


def test_what_is_not_there_is_not_found_and_readers_may_not_look(api: Service) -> None:
    assert api.get(f"{PATH}/999999").status_code == 404
    assert api.post(f"{PATH}/rollback", {"version": 999999}).status_code == 404
    assert api.get(PATH, key="reader").status_code == 403
    assert api.put(PATH, ONLY_NEW, key="events").status_code == 403


def test_a_configuration_broken_by_hand_changes_nothing_and_raises_the_alarm(api: Service, shop: RunContext) -> None:
    version = api.put(PATH, ONLY_NEW).json()["version"]
    wait_until(lambda: all(len(emailed(api)) == 3 for _ in range(8)))
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("update shop.configurations set body = '{\"placements\": 7}' where version = %s", (version,))
    wait_until(lambda: metric(api, "recsys_configuration_problem", what="configuration") == 1)
    assert len(emailed(api)) == 3
    found = api.get(PATH).json()
    assert "placements" in found["problem"]
    assert found["placements"]["email"]["cascade"][0]["size"] == 3
    assert api.get(f"{PATH}/{version}").status_code == 409
    api.put(PATH, ONLY_NEW)
    wait_until(lambda: metric(api, "recsys_configuration_problem", what="configuration") == 0)

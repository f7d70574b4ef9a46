"""Starting without the servers behind it: with lists from before it serves them, without it says why and ends."""

from pathlib import Path

import pytest

from recsys.pipeline.context import RunContext
from recsys.stack.process import free_port
from tests.fast_api_service import running_service
from tests.fast_api_service.published_shop import POPULAR, UNAVAILABLE

HOME = "/v1/recommendations"


def nowhere() -> dict[str, str]:
    return {"POSTGRES_PORT": str(free_port()), "S3_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}


@pytest.mark.parametrize("away", [{"POSTGRES_PORT"}, {"S3_ENDPOINT_URL"}])
def test_without_a_server_and_without_lists_it_waits_says_so_and_ends(
    shop: RunContext, tmp_path: Path, away: set[str]
) -> None:
    dead = {name: value for name, value in nowhere().items() if name in away}
    variables = running_service.environment(
        shop.postgres, shop.store.settings, tmp_path, SERVICE_START_TIMEOUT_S="1", **dead
    )
    process = running_service.start(variables, tmp_path)
    assert process.wait(120) == 1
    log = (tmp_path / "log").read_text()
    assert "Waiting up to 1 s" in log
    assert "does not start" in log
    assert next(iter(dead.values())) in log
    assert "Traceback" not in log


def test_with_lists_from_before_it_serves_them_and_says_degraded(shop: RunContext, tmp_path: Path) -> None:
    alive = running_service.environment(shop.postgres, shop.store.settings, tmp_path, SERVICE_WORKERS="1")
    with running_service.service(alive, tmp_path) as api:
        api.post("/v1/events", {"event_type": "purchase", "user_id": "kim", "item_id": "d2"})
        before = api.items(HOME, user_id="kim", limit=50)
    assert "d2" not in before
    with running_service.service(alive | nowhere(), tmp_path) as api:
        answer = api.get(HOME, user_id="kim", limit=50).json()
        assert answer["degraded"]
        assert "postgres_unavailable" in answer["degraded_reasons"]
        assert [item["item_id"] for item in answer["items"]] == before
        assert api.get("/v1/items/d3/similar").status_code == 200
        assert not {*UNAVAILABLE} & {*api.items(HOME, limit=100)}
        assert api.items(f"{HOME}/default", limit=1) == POPULAR[:1]


def test_a_missing_setting_is_named(shop: RunContext, tmp_path: Path) -> None:
    variables = running_service.environment(shop.postgres, shop.store.settings, tmp_path)
    del variables["POSTGRES_PASSWORD"]
    process = running_service.start(variables, tmp_path)
    assert process.wait(120) == 1
    assert "POSTGRES_PASSWORD" in (tmp_path / "log").read_text()

"""The service as a whole: health, metrics of all workers, documentation."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from recsys.pipeline.context import RunContext, StepSummary
from recsys.schema import Step
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service


def metric(api: Service, name: str, **labels: str) -> float:
    """The sum over the series with these labels."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    lines = api.client.get("/metrics").text.splitlines()
    found = [line for line in lines if re.match(rf"{name}[{{ ]", line) and all(part in line for part in wanted)]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def test_health_needs_no_key_and_names_each_dependency(api: Service) -> None:
    assert api.client.get("/health/live").json() == {"status": "alive"}
    wait_until(lambda: api.client.get("/health/ready").json()["status"] == "ready")
    found = api.client.get("/health/ready").json()["dependencies"]
    assert {name: each["state"] for name, each in found.items()} == dict.fromkeys(
        ("postgres", "object_store", "snapshot", "recent_store", "stock", "api_keys"), "ok"
    )
    assert found["snapshot"]["dataset"] == "shop"
    assert found["snapshot"]["tables"]["ranked_recommendations"]["keys"] == 1


def test_counts_are_those_of_all_workers(api: Service) -> None:
    labels = {"method": "GET", "route": "/v1/recommendations/default", "status": "200"}

    def counts() -> tuple[float, ...]:
        return (
            metric(api, "recsys_http_requests_total", **labels),
            metric(api, "recsys_http_request_duration_seconds_count", **labels),
            metric(api, "recsys_recommendation_answers_total", placement="default", source="default"),
            metric(api, "recsys_recommended_items_total", source="default") / 3,
        )

    def settled() -> bool:
        first = counts()
        time.sleep(2)  # workers hand their counts over every 0.2 s here, on a busy machine some of them later
        return first == counts()

    wait_until(settled)  # what the tests before counted has arrived
    before = counts()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.get("/v1/recommendations/default", limit=3).status_code, range(40)))
    assert answers == [200] * 40
    wait_until(lambda: tuple(now - then for now, then in zip(counts(), before, strict=True)) == (40,) * 4)


def test_ids_and_unknown_paths_do_not_become_series(api: Service) -> None:
    api.get("/v1/recommendations/personalized/some-user-id")
    api.client.get("/some/unknown/path")
    api.client.request("PROPFIND", "/health/live")
    wait_until(lambda: metric(api, "recsys_http_requests_total", route="none", status="404") >= 1)
    wait_until(lambda: metric(api, "recsys_http_requests_total", method="other", status="405") >= 1)
    text = api.client.get("/metrics").text
    assert "some-user-id" not in text
    assert "unknown/path" not in text
    assert 'route="/v1/recommendations/personalized/{user_id}"' in text


@pytest.mark.parametrize(
    "name",
    [
        "recsys_snapshot_version",
        "recsys_snapshot_age_seconds",
        "recsys_postgres_pool_connections",
        "recsys_process_resident_memory_bytes",
        "recsys_recent_store_bytes",
        "recsys_events_ingested_total",
        "recsys_events_last_ingested_timestamp_seconds",
        "recsys_events_rejected_total",
    ],
)
def test_facts_are_reported(api: Service, name: str) -> None:
    api.post("/v1/events", [{"event_type": "view", "user_id": "hugo", "item_id": "x1"}, {"event_type": "?"}])
    wait_until(lambda: metric(api, name) > 0)


def test_the_pipelines_last_runs_are_reported(api: Service, shop: RunContext) -> None:
    refused = StepSummary(Step.TRAIN_ALS, "models/x", metrics={"gate_accepted": 0.0})
    shop.record_start(Step.TRAIN_ALS)
    shop.record_end(Step.TRAIN_ALS, refused)
    wait_until(lambda: metric(api, "recsys_step_last_success_timestamp_seconds", step="train_als") > 0)
    assert metric(api, "recsys_step_duration_seconds", step="train_als") > 0
    text = api.client.get("/metrics").text
    assert 'recsys_gate_last_decision{model="als"} 0.0' in text


def test_documentation(api: Service) -> None:
    page = api.client.get("/", headers={"Accept": "text/html"}, follow_redirects=True)
    assert page.url.path == "/docs"
    document = api.client.get("/openapi.json").json()
    operations = {
        operation["operationId"]: operation for path in document["paths"].values() for operation in path.values()
    }
    assert {
        "recommend",
        "recommendDefault",
        "recommendPersonalized",
        "recommendOnline",
        "recommendOnlineForGuest",
        "listSimilarItems",
        "collectEvents",
        "listUserEvents",
        "requestTraining",
        "listTraining",
        "getTraining",
        "live",
        "ready",
        "metrics",
    } <= set(operations)
    for name, operation in operations.items():
        assert operation["summary"]
        assert operation["tags"]
        if name not in {"live", "ready", "metrics", "contractHealthcheck"}:
            assert operation["security"]
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["422"]["content"]
    schemas = document["components"]["schemas"]
    assert {"Problem", "FieldProblem", "Recommendations", "Receipt", "Event", "Basket"} <= set(schemas)
    assert schemas["Recommendations"]["examples"]
    assert document["components"]["securitySchemes"]["APIKeyHeader"]["name"] == "X-API-Key"

"""A real Prometheus with our configuration scrapes the real service, in two workers, and evaluates our rules."""

import json
import os
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from recsys.settings import ObjectStoreSettings, PostgresSettings
from recsys.stack.process import free_port, tool
from recsys.stack.temporary import running
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from tests.conftest import wait_until
from tests.fast_api_service import published_shop, running_service
from tests.fast_api_service.running_service import Service
from tests.monitoring.promql import MONITORING, panels, rules

# What a step leaves behind, as recsys.pipeline writes it.
STEP_RUN = (
    "insert into ops.step_runs (dataset, run_id, step, status, started_at, finished_at, output, summary)"
    " values ('shop', 'run-1', %s, 'succeeded', now() - interval '90 seconds', now() - interval '30 seconds', '', %s)"
)


@pytest.fixture
def service(database: PostgresSettings, bucket: ObjectStore, tmp_path: Path) -> Iterator[Service]:
    """The service on a published shop whose newest ALS model did not pass its gate."""
    published_shop.publish_all(published_shop.context(database, bucket))
    with postgres.transaction(database) as cursor:
        cursor.execute(STEP_RUN, ("prepare_dataset", json.dumps({"metrics": {}})))
        cursor.execute(STEP_RUN, ("train_als", json.dumps({"metrics": {"gate_accepted": 0.0}})))
    settings: ObjectStoreSettings = bucket.settings
    with running_service.service(running_service.environment(database, settings, tmp_path), tmp_path) as started:
        yield started


@pytest.fixture
def ask(service: Service, tmp_path: Path) -> Iterator[Any]:
    """Prometheus, started with the committed configuration at this service's address and a faster clock."""
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yml").read_text())
    port = free_port()
    addresses = {"service": service.client.base_url.netloc.decode(), "prometheus": f"127.0.0.1:{port}"}
    config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    config["scrape_configs"] = [job for job in config["scrape_configs"] if job["job_name"] in addresses]
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [addresses[job["job_name"]]]}]
    config["rule_files"] = [str(MONITORING / "prometheus" / name) for name in config["rule_files"]]
    del config["alerting"]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = [
        str(tool("prometheus")),
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/series",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def get(path: str, **parameters: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            return json.load(answer)["data"]

    def answers() -> bool:
        try:
            return bool(get("status/runtimeinfo"))
        except OSError:
            return False

    with running(command, tmp_path / "prometheus.log", environment=dict(os.environ)):
        wait_until(answers)
        yield get


def test_prometheus_sees_what_the_service_does(service: Service, ask) -> None:
    def series(query: str) -> dict[str, float]:
        found = ask("query", query=query)["result"]
        return {json.dumps(entry["metric"], sort_keys=True): float(entry["value"][1]) for entry in found}

    def value(query: str) -> float:
        return sum(series(query).values())

    wait_until(lambda: value('up{job="service"}') == 1)
    for _ in range(3):
        service.items("/v1/recommendations", user_id="anna", limit=5)
    service.get("/v1/recommendations", limit="ten")
    service.post("/v1/events", [{"event_type": "view", "user_id": "anna", "item_id": "d2"}, {"event_type": "look"}])
    # Counted once each, whichever of the two workers answered.
    wait_until(lambda: value('recsys_http_requests_total{route="/v1/recommendations", status="200"}') == 3)
    assert value('recsys_http_requests_total{route="/v1/recommendations", status="422"}') == 1
    assert value("recsys_recommendation_answers_total") == 3
    assert value("recsys_events_ingested_total") == 1
    assert value("recsys_events_rejected_total") == 1
    assert value("recsys_snapshot_version{table='default_recommendations'}") > 0
    assert value("recsys_process_resident_memory_bytes") > 10_000_000
    assert 0 < value("time() - recsys_events_last_ingested_timestamp_seconds") < 60
    assert 29 < value('time() - recsys_step_last_success_timestamp_seconds{step="prepare_dataset"}') < 90
    assert value('recsys_step_duration_seconds{step="train_als"}') == 60
    assert list(series('recsys_gate_last_decision{model="als"}').values()) == [0]

    wait_until(lambda: series('recsys:http_request_duration_seconds:p95{route="/v1/recommendations"}'))
    wait_until(lambda: series('ALERTS{alertname="ChampionKept"}'))
    loaded = [rule for group in ask("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in loaded} == {rule.get("alert") or rule["record"] for rule in rules()}
    assert {rule["name"] for rule in loaded if rule["health"] == "err"} == set()

    # All panels of the service have something to show, but for that of what has not happened.
    queries = {name: [target["expr"] for target in panel["targets"]] for name, panel in panels()}
    shown = {name: found for name, found in queries.items() if name.startswith("service:")}
    del shown["service: Degraded answers"]
    # The worker is another process, with an address of its own.
    shown = {
        name: found
        for name, found in shown.items()
        if not any("recsys_worker_" in query or "recsys_queue_" in query for query in found)
    }
    wait_until(lambda: all(any(series(query) for query in found) for found in shown.values()))

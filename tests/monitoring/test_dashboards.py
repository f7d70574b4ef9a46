"""The dashboards are what build.py writes, parse, fit the page and ask for series that exist."""

import json
import runpy
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.monitoring.promql import (
    DASHBOARDS,
    FOREIGN,
    MONITORING,
    airflow_names,
    metrics_in,
    panels,
    rules,
    service_metrics,
)

GRAFANA = MONITORING / "grafana"


def expressions(panel) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def test_the_committed_files_are_what_the_script_writes() -> None:
    built = runpy.run_path(str(GRAFANA / "build.py"))["build"]()
    assert built == {file.name: file.read_text() for file in DASHBOARDS}


def test_every_query_parses(tmp_path: Path) -> None:
    queries = [query for _, panel in panels() for query in expressions(panel)]
    group = {"name": "panels", "rules": [{"record": f"panel:{i}", "expr": query} for i, query in enumerate(queries)]}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}))
    done = subprocess.run(["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("name", "panel"), panels(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_metric_in_a_panel_exists(name: str, panel) -> None:
    known = service_metrics() | airflow_names() | FOREIGN | {rule["record"] for rule in rules() if "record" in rule}
    for query in expressions(panel):
        assert metrics_in(query)
        assert metrics_in(query) <= known


def test_every_metric_of_the_service_is_on_a_dashboard() -> None:
    queries = [query for _, panel in panels() for query in expressions(panel)] + [rule["expr"] for rule in rules()]
    shown = {metric.removesuffix("_bucket") for query in queries for metric in metrics_in(query)}
    offered = {
        metric.removesuffix("_bucket") for metric in service_metrics() if not metric.endswith(("_sum", "_count"))
    }
    assert offered - shown == set()


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_panels_do_not_overlap_and_fit_the_page(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(file.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not cells & taken
        taken |= cells


def test_ids_are_unique_and_panels_use_the_provisioned_datasource() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    for file in DASHBOARDS:
        content = json.loads(file.read_text())
        ids = [panel["id"] for panel in content["panels"]]
        assert len(set(ids)) == len(ids)
    for _, panel in panels():
        assert panel["datasource"]["uid"] == source["uid"]

"""The alert rules parse, fire when they should, keep quiet when they should not, and lead to a runbook."""

import re
import subprocess

import pytest
import yaml

from recsys.settings import PROJECT_ROOT
from tests.monitoring.promql import FOREIGN, MONITORING, airflow_names, metrics_in, rules, service_metrics

PROMETHEUS = MONITORING / "prometheus"
ALERTS = [rule for rule in rules() if "alert" in rule]
TESTS = sorted(PROMETHEUS.glob("*_test.yml"))


def promtool(*arguments: object) -> None:
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_and_its_rules_are_valid() -> None:
    promtool("check", "config", PROMETHEUS / "prometheus.yml")


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem)
def test_alerts_fire_and_keep_quiet_as_told(file) -> None:
    promtool("test", "rules", file)


def test_every_alert_is_seen_firing_and_quiet() -> None:
    seen: dict[str, set[bool]] = {rule["alert"]: set() for rule in ALERTS}
    for file in TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            for check in case.get("promql_expr_test", []):
                assert f'alertname="{case["name"]}"' in check["expr"]
                seen[case["name"]].add(bool(check["exp_samples"]))
    assert {name for name, outcomes in seen.items() if outcomes != {True, False}} == set()


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_where_to_read_on(rule) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.+)$", (PROJECT_ROOT / page).read_text(), re.MULTILINE)
    assert anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_in_a_rule_exists(rule) -> None:
    recorded = {other["record"] for other in rules() if "record" in other}
    known = service_metrics() | airflow_names() | FOREIGN | recorded
    assert metrics_in(rule["expr"]) <= known
    assert metrics_in(rule["expr"])


def test_every_target_is_a_program_of_the_compose_file_on_its_port() -> None:
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yaml").read_text())["services"]
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
    hosts = {address.split(":")[0] for targets in jobs.values() for address in targets} - {"localhost"}
    assert hosts <= set(services)
    (service,) = jobs["service"]
    assert service.split(":")[1] == services["service"]["environment"]["SERVICE_PORT"]
    airflow = services["airflow-scheduler"]["environment"]
    assert airflow["AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED"] == "true"
    assert airflow["AIRFLOW__METRICS__LEGACY_NAMES_ON"] == "false"

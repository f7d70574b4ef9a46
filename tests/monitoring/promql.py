"""What the rules and dashboards ask for, and what the exporters of the suite provide."""

import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import airflow._shared.observability.metrics as airflow_metrics
import prometheus_client.metrics
import yaml

from fast_api_service import metrics
from recsys.live import consumer, worker
from recsys.settings import PROJECT_ROOT

MONITORING = PROJECT_ROOT / "monitoring"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))

WORDS = {"by", "on", "and", "or", "unless", "offset", "without", "ignoring", "group_left", "group_right"}
# Prometheus's own, and those of https://github.com/prometheus-community/postgres_exporter.
FOREIGN = {
    "up",
    "ALERTS",
    "pg_up",
    "pg_settings_max_connections",
    "pg_database_size_bytes",
    "pg_stat_database_numbackends",
    "pg_stat_database_xact_commit",
    "pg_stat_database_xact_rollback",
    "pg_stat_database_blks_hit",
    "pg_stat_database_blks_read",
}


def rules() -> list[dict[str, str]]:
    """All recording and alerting rules."""
    groups = yaml.safe_load((MONITORING / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> Iterator[tuple[str, dict[str, object]]]:
    """All panels of all dashboards, with a name for messages."""
    for file in DASHBOARDS:
        for panel in json.loads(file.read_text())["panels"]:
            if panel["type"] != "row":
                yield f"{file.stem}: {panel['title']}", panel


def metrics_in(expression: str) -> set[str]:
    """Names of the metrics that a PromQL expression reads."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*(?!\s*\(|[\w:])", bare)
    return {name for name in names if name not in WORDS and not re.fullmatch(r"\d+[smhdwy]|[smhdwy]", name)}


def service_metrics() -> set[str]:
    """Series names that the service and the worker expose."""
    found = set()
    for value in chain.from_iterable(vars(module).values() for module in (metrics, worker, consumer)):
        if isinstance(value, prometheus_client.metrics.MetricWrapperBase):
            (family,) = value.describe()
            suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
            found |= {family.name + suffix for suffix in suffixes}
    return found


@cache
def airflow_series() -> dict[str, str]:
    """StatsD name -> Prometheus name of what Airflow can send, by the exporter's rules (first match wins)."""
    registry = yaml.safe_load((Path(airflow_metrics.__file__).parent / "metrics_template.yaml").read_text())["metrics"]
    mappings = yaml.safe_load((MONITORING / "statsd" / "mapping.yml").read_text())["mappings"]
    series = {}
    for entry in registry:
        stat = f"airflow.{entry['name']}"
        series[stat] = re.sub(r"[^a-zA-Z0-9_]", "_", stat)
        for mapping in mappings:
            is_regex = mapping.get("match_type") == "regex"
            pattern = mapping["match"] if is_regex else re.escape(mapping["match"]).replace(r"\*", "([^.]*)")
            if re.fullmatch(pattern, stat):
                series[stat] = "" if mapping.get("action") == "drop" else mapping["name"]
                break
    return series


def airflow_names() -> set[str]:
    """Series names, with those a summary adds."""
    names = {name for name in airflow_series().values() if name}
    return names | {f"{name}{suffix}" for name in names if name.endswith("_seconds") for suffix in ("_sum", "_count")}

"""Builds the two dashboards: `python monitoring/grafana/build.py` writes dashboards/*.json, which are committed.

A panel is one line here; Grafana's own JSON would be forty.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
DATASOURCE = {"type": "prometheus", "uid": "prometheus"}
ROUTES = 'route=~"/v1/.*"'


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        queries: legend of each series -> PromQL.
        kind: Grafana's name of the visualisation.
        unit: Grafana's unit code (s, ops, bytes, percentunit, short, dateTimeFromNow).
        limits: value from which a stat turns yellow, and from which red.
        mappings: text shown instead of a value.
    """

    title: str
    queries: dict[str, str]
    unit: str = "short"
    kind: str = "timeseries"
    about: str = ""
    stacked: bool = False
    limits: tuple[float, float] | None = None
    mappings: dict[str, str] | None = None

    def as_json(self, number: int, x: int, y: int, width: int, height: int) -> dict[str, Any]:
        """The form Grafana reads."""
        defaults: dict[str, Any] = {"unit": self.unit, "noValue": "no data"}
        if self.kind == "timeseries":
            fill = {"fillOpacity": 30, "stacking": {"mode": "normal"}} if self.stacked else {"fillOpacity": 5}
            defaults |= {"min": 0, "custom": {"lineWidth": 1, "showPoints": "never", **fill}}
            options: dict[str, Any] = {
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        else:
            options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "textMode": "value_and_name"}
        steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
        for color, value in zip(("yellow", "red"), self.limits or (), strict=False):
            steps.append({"color": color, "value": value})
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        if self.mappings:
            shown = {value: {"text": text} for value, text in self.mappings.items()}
            defaults["mappings"] = [{"type": "value", "options": shown}]
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.about,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": [
                {"refId": chr(65 + index), "datasource": DATASOURCE, "expr": expression, "legendFormat": legend}
                for index, (legend, expression) in enumerate(self.queries.items())
            ],
        }


Rows = dict[str, list[Panel]]

SERVICE: Rows = {
    "Now": [
        Panel("Requests", {"a second": "sum(rate(recsys_http_requests_total[5m]))"}, "reqps", "stat"),
        Panel(
            "p95",
            {"of all answers": f"max(recsys:http_request_duration_seconds:p95{{{ROUTES}}})"},
            "s",
            "stat",
            limits=(0.05, 0.1),
        ),
        Panel("Failing", {"5xx": "recsys:http_errors:ratio"}, "percentunit", "stat", limits=(0.001, 0.01)),
        Panel(
            "Degraded",
            {"answers a second": "sum(rate(recsys_degraded_answers_total[5m])) or vector(0)"},
            "short",
            "stat",
            limits=(0.01, 1),
        ),
        Panel(
            "Oldest table",
            {"{{table}}": "topk(1, recsys_snapshot_age_seconds)"},
            "s",
            "stat",
            limits=(26 * 3600, 36 * 3600),
        ),
        Panel(
            "Last event",
            {"ago": "time() - (recsys_events_last_ingested_timestamp_seconds > 0)"},
            "s",
            "stat",
            limits=(600, 3600),
        ),
    ],
    "Requests": [
        Panel("Requests by route", {"{{route}}": "sum by (route) (rate(recsys_http_requests_total[5m]))"}, "reqps"),
        Panel(
            "Time to answer",
            {
                "p50": "histogram_quantile(0.5, sum by (le)"
                f" (rate(recsys_http_request_duration_seconds_bucket{{{ROUTES}}}[5m])))",
                "p95": "histogram_quantile(0.95, sum by (le)"
                f" (rate(recsys_http_request_duration_seconds_bucket{{{ROUTES}}}[5m])))",
                "p99": "histogram_quantile(0.99, sum by (le)"
                f" (rate(recsys_http_request_duration_seconds_bucket{{{ROUTES}}}[5m])))",
            },
            "s",
            about="All statuses, shop routes only.",
        ),
        Panel(
            "Requests by status",
            {"{{status}}": "sum by (status) (rate(recsys_http_requests_total[5m]))"},
            "reqps",
            stacked=True,
        ),
        Panel("p95 by route", {"{{route}}": f"recsys:http_request_duration_seconds:p95{{{ROUTES}}}"}, "s"),
    ],
    "Recommendations": [
        Panel(
            "Answers by source",
            {"{{source}}": "sum by (source) (rate(recsys_recommendation_answers_total[5m]))"},
            "reqps",
            about="By the source of the first item: default, personalized, online, ranked, similar.",
            stacked=True,
        ),
        Panel(
            "Items by source",
            {"{{source}}": "sum by (source) (rate(recsys_recommended_items_total[5m]))"},
            "ops",
            stacked=True,
        ),
        Panel("Degraded answers", {"{{reason}}": "sum by (reason) (rate(recsys_degraded_answers_total[5m]))"}, "ops"),
        Panel("Version in service", {"{{table}}": "recsys_snapshot_version"}),
        Panel("Age of the tables", {"{{table}}": "recsys_snapshot_age_seconds"}, "s"),
    ],
    "Events and resources": [
        Panel(
            "Events stored",
            {"{{event_type}}": "sum by (event_type) (rate(recsys_events_ingested_total[5m]))"},
            "ops",
            stacked=True,
        ),
        Panel("Events refused", {"{{reason}}": "sum by (reason) (rate(recsys_events_rejected_total[5m]))"}, "ops"),
        Panel("Postgres connections", {"{{state}}": "sum by (state) (recsys_postgres_pool_connections)"}, stacked=True),
        Panel(
            "Memory",
            {
                "workers, {{instance}}": "recsys_process_resident_memory_bytes",
                "recent store, {{instance}}": "recsys_recent_store_bytes",
            },
            "bytes",
        ),
    ],
    "Worker": [
        Panel(
            "Runs of jobs", {"{{job}} {{outcome}}": "sum by (job, outcome) (rate(recsys_worker_job_runs_total[5m]))"}
        ),
        Panel(
            "Time since a job's last success",
            {"{{job}}": "time() - (recsys_worker_job_last_success_timestamp_seconds > 0)"},
            "s",
        ),
        Panel("Duration of jobs", {"{{job}}": "recsys_worker_job_duration_seconds"}, "s"),
        Panel(
            "Events from the queue",
            {
                "stored": "sum(rate(recsys_queue_events_stored_total[5m]))",
                "there already": "sum(rate(recsys_queue_events_duplicate_total[5m]))",
                "messages put aside": "sum(rate(recsys_queue_messages_parked_total[5m]))",
            },
            "ops",
            stacked=True,
        ),
        Panel("Workers at work", {"now": "sum(recsys_worker_active)"}),
        Panel(
            "Problems in Postgres", {"{{what}}": "recsys_configuration_problem"}, about="1: the last good one is used."
        ),
    ],
}

PIPELINE: Rows = {
    "Now": [
        Panel(
            "Oldest daily step",
            {"{{step}}": 'topk(1, time() - (recsys_step_last_success_timestamp_seconds{step!~"train_.*"} > 0))'},
            "s",
            "stat",
            limits=(26 * 3600, 36 * 3600),
        ),
        Panel(
            "Gate",
            {"{{model}}": "recsys_gate_last_decision"},
            kind="stat",
            about="Whether the newest model replaced the one in service.",
            mappings={"0": "kept the champion", "1": "published"},
        ),
        Panel("DAGs running", {"now": "airflow_scheduler_dagruns_running"}, kind="stat"),
        Panel("DAG files unreadable", {"now": "airflow_dag_processing_import_errors"}, kind="stat", limits=(1, 1)),
        Panel("Postgres", {"{{instance}}": "pg_up"}, kind="stat", mappings={"0": "down", "1": "up"}),
    ],
    "Steps": [
        Panel("Duration of the last success", {"{{step}}": "recsys_step_duration_seconds"}, "s"),
        Panel(
            "Time since the last success",
            {"{{step}}": "time() - (recsys_step_last_success_timestamp_seconds > 0)"},
            "s",
        ),
    ],
    "Airflow": [
        Panel(
            "DAG runs an hour",
            {"{{dag_id}} {{state}}": "sum by (dag_id, state) (increase(airflow_dagrun_duration_seconds_count[1h]))"},
        ),
        Panel(
            "Duration of DAG runs",
            {
                "{{dag_id}}": "sum by (dag_id) (rate(airflow_dagrun_duration_seconds_sum[1d]))"
                " / sum by (dag_id) (rate(airflow_dagrun_duration_seconds_count[1d]))"
            },
            "s",
            about="Mean of the last day.",
        ),
        Panel("Task failures an hour", {"{{dag_id}}": "sum by (dag_id) (increase(airflow_ti_failures[1h]))"}),
        Panel(
            "Tasks",
            {"running": "airflow_executor_running_tasks", "queued": "airflow_executor_queued_tasks"},
            stacked=True,
        ),
    ],
    "Postgres": [
        Panel("Connections", {"{{datname}}": "pg_stat_database_numbackends > 0"}, stacked=True),
        Panel("Size", {"{{datname}}": 'pg_database_size_bytes{datname!~"template.*"}'}, "bytes", stacked=True),
        Panel(
            "Transactions",
            {
                "committed": "sum(rate(pg_stat_database_xact_commit[5m]))",
                "rolled back": "sum(rate(pg_stat_database_xact_rollback[5m]))",
            },
            "ops",
        ),
        Panel(
            "Read from memory",
            {
                "{{datname}}": "rate(pg_stat_database_blks_hit[5m])"
                " / (rate(pg_stat_database_blks_hit[5m]) + rate(pg_stat_database_blks_read[5m]) > 0)"
            },
            "percentunit",
        ),
    ],
}


def dashboard(uid: str, title: str, rows: Rows) -> dict[str, Any]:
    """Panels share a row's width, at most three side by side (a row of stats holds all of its own)."""
    panels: list[dict[str, Any]] = []
    y = 0
    for heading, members in rows.items():
        place = {"x": 0, "y": y, "w": 24, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": heading, "gridPos": place, "panels": []})
        y += 1
        stats = all(panel.kind == "stat" for panel in members)
        side_by_side, height = (len(members), 4) if stats else (min(len(members), 3 if len(members) % 3 == 0 else 2), 8)
        for start in range(0, len(members), side_by_side):
            line = members[start : start + side_by_side]
            width = 24 // len(line)
            for index, panel in enumerate(line):
                panels.append(panel.as_json(len(panels) + 1, index * width, y, width, height))
            y += height
    return {
        "uid": uid,
        "title": title,
        "schemaVersion": 41,
        "editable": False,
        "refresh": "30s",
        "tags": ["recsys"],
        "time": {"from": "now-6h" if uid == "recsys-service" else "now-7d", "to": "now"},
        "timezone": "browser",
        "panels": panels,
    }


def build() -> dict[str, str]:
    """File name -> content."""
    dashboards = {
        "service.json": dashboard("recsys-service", "Recommendation service", SERVICE),
        "pipeline.json": dashboard("recsys-pipeline", "Recommendation pipeline", PIPELINE),
    }
    return {name: json.dumps(content, indent=1) + "\n" for name, content in dashboards.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, content in build().items():
        (FOLDER / name).write_text(content)

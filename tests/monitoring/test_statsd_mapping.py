"""Airflow's packets have the form the mapping counts on, and the mapping names what the dashboards ask for."""

import socket

from airflow._shared.observability.metrics.statsd_logger import get_statsd_logger
from statsd import StatsClient

from tests.monitoring.promql import airflow_series


def test_airflow_sends_tags_beside_the_name() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as exporter:
        exporter.bind(("127.0.0.1", 0))
        exporter.settimeout(5)
        # As with STATSD_INFLUXDB_ENABLED=true; the disabled tags are Airflow's default.
        logger = get_statsd_logger(
            stats_class=StatsClient,
            host="127.0.0.1",
            port=exporter.getsockname()[1],
            prefix="airflow",
            influxdb_tags_enabled=True,
            statsd_influxdb_enabled=True,
            statsd_disabled_tags="job_id,run_id",
        )
        tags = {"dag_id": "1_prepare_dataset", "run_type": "scheduled", "run_id": "x"}
        logger.timing("dagrun.duration.failed", 1500.0, tags=tags)
        packet = exporter.recv(1000).decode()
    assert packet == "airflow.dagrun.duration.failed,dag_id=1_prepare_dataset,run_type=scheduled:1500.000000|ms"


def test_what_is_renamed_exists_in_airflow() -> None:
    series = airflow_series()
    assert series["airflow.dagrun.duration.success"] == "airflow_dagrun_duration_seconds"
    assert series["airflow.dagrun.duration.failed"] == "airflow_dagrun_duration_seconds"
    assert series["airflow.dagrun.schedule_delay"] == "airflow_dagrun_schedule_delay_seconds"
    assert series["airflow.task.duration"] == "airflow_task_duration_seconds"
    assert series["airflow.scheduler.scheduler_loop_duration"] == "airflow_scheduler_loop_duration_seconds"
    assert series["airflow.ti_failures"] == "airflow_ti_failures"
    assert series["airflow.local_task_job.task_exit"] == ""

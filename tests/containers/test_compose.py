"""docker-compose.yaml: valid, started in order of health, without default secrets, closed to the network."""

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from recsys.settings import (
    MlflowSettings,
    ObjectStoreSettings,
    PostgresSettings,
    ScheduleSettings,
    ServiceSettings,
    TelegramSettings,
)
from recsys.stack import compose
from recsys.stack.settings import StackSettings

PROJECT = Path(__file__).parents[2]
FILE = PROJECT / "docker-compose.yaml"
DOCUMENT = yaml.safe_load(FILE.read_text())
SERVICES = DOCUMENT["services"]
JOBS = {"init", "recsys"}
OURS = {name for name, service in SERVICES.items() if "build" in service}
SECRET = re.compile(r"PASSWORD|PASS$|SECRET|TOKEN|FERNET|ACCESS_KEY|SQL_ALCHEMY|STORE_URI")


def settings_variables(*kinds):
    return {str(kind.model_config["env_prefix"]) + name.upper() for kind in kinds for name in kind.model_fields}


def test_it_follows_the_compose_specification():
    tool = Path(sys.executable).with_name("check-jsonschema")
    done = subprocess.run(
        [tool, "--builtin-schema", "vendor.compose-spec", FILE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_whole_suite_is_there():
    assert set(SERVICES) == {
        "postgres", "s3", "mlflow", "init", "airflow-api", "airflow-scheduler", "airflow-dags", "service", "worker",
        "recsys", "prometheus", "alertmanager", "grafana", "rabbitmq", "statsd-exporter", "postgres-exporter",
    }  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
def test_it_waits_for_the_health_of_what_it_needs(name):
    service = SERVICES[name]
    for needed, how in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if needed in JOBS else "service_healthy"
        assert how["condition"] == wanted, needed
    if name not in JOBS:
        assert service["healthcheck"]["test"]


def everything_before(name):
    found = set()
    for needed in SERVICES[name].get("depends_on", {}):
        found |= {needed} | everything_before(needed)
    return found


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("init", {"postgres", "s3"}),
        ("mlflow", {"postgres", "s3", "init"}),
        ("service", {"postgres", "s3", "init"}),
        ("worker", {"postgres", "s3", "init"}),
        ("airflow-scheduler", {"postgres", "s3", "init", "mlflow", "airflow-api", "statsd-exporter"}),
        ("airflow-dags", {"postgres", "s3", "init", "airflow-api", "statsd-exporter"}),
        ("grafana", {"prometheus", "alertmanager"}),
        ("postgres-exporter", {"postgres"}),
    ],
)
def test_start_order(name, before):
    assert everything_before(name) == before


def test_every_address_names_a_service_of_the_file():
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            for host in re.findall(r"(?://|@)([a-z0-9-]+):\d+", str(value)):
                assert host in {*SERVICES, "127"}, f"{name} {variable}"
        for variable in ("POSTGRES_HOST", "AIRFLOW__METRICS__STATSD_HOST"):
            assert service.get("environment", {}).get(variable, "postgres") in SERVICES


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_env_and_have_no_default(name):
    for variable, value in SERVICES[name].get("environment", {}).items():
        if SECRET.search(variable):
            # An optional token may be empty; everything else stops the start when it is missing.
            allowed = r"\$\{TELEGRAM_TOKEN:-\}" if variable == "TELEGRAM_TOKEN" else r"[^$]*\$\{\w+:\?run make env\}.*"
            if variable.endswith("PASSWORDS_FILE"):
                allowed = r"/[\w/.]+"
            assert re.fullmatch(allowed, str(value)), variable
    assert not re.search(r"\$\{\w*(PASSWORD|SECRET|KEY)\w*:-[^}]", FILE.read_text())


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_open_to_this_machine_only(name):
    for port in SERVICES[name].get("ports", []):
        assert re.fullmatch(r"127\.0\.0\.1:\$\{[A-Z0-9_]+_PORT:-\d+\}:\d+", port)


def test_ports_are_those_of_the_embedded_stack():
    mappings = [port for service in SERVICES.values() for port in service.get("ports", [])]
    published = {int(re.findall(r":-(\d+)", mapping)[0]) for mapping in mappings}
    assert {field.default for name, field in StackSettings.model_fields.items() if name.endswith("port")} <= published
    assert len(published) == len(mappings)


@pytest.mark.parametrize("name", SERVICES)
def test_what_it_mounts_exists(name):
    for mount in SERVICES[name].get("volumes", []):
        source, target, *mode = mount.rsplit(":", 2) if mount.endswith(":ro") else mount.rsplit(":", 1)
        if source.startswith("./"):
            assert (PROJECT / source).exists(), source
            assert mode == ["ro"], f"{source} belongs to the sources"
        elif not source.startswith("$"):
            assert source in DOCUMENT["volumes"], source
        assert target.startswith("/")


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_or_built_from_a_file_that_exists(name):
    service = SERVICES[name]
    assert re.search(r":v?\d+\.\d+", service["image"]), service["image"]
    if "build" in service:
        assert (PROJECT / service["build"]["dockerfile"]).exists()


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_bounded_restarted_and_unprivileged(name):
    service = SERVICES[name]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["restart"] == ("no" if name in JOBS else "unless-stopped")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"]["max-size"]
    assert not service.get("privileged")
    if name in OURS:
        assert service["cap_drop"] == ["ALL"]


@pytest.mark.parametrize("name", ["init", "airflow-api", "airflow-scheduler", "airflow-dags", "recsys", "service"])
def test_our_programs_are_given_the_settings_they_read(name):
    given = SERVICES[name]["environment"]
    assert {"POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DATABASE", "POSTGRES_USER", "POSTGRES_PASSWORD"} <= set(given)
    assert {"S3_ENDPOINT_URL", "S3_ACCESS_KEY", "S3_SECRET_KEY", "S3_BUCKET", "MLFLOW_TRACKING_URI"} <= set(given)
    known = settings_variables(PostgresSettings, ObjectStoreSettings, MlflowSettings, TelegramSettings, ServiceSettings)
    ours = {variable for variable in given if re.match(r"(POSTGRES|S3|MLFLOW|TELEGRAM|SERVICE)_", variable)}
    assert ours <= known


def test_the_service_and_the_command_line_share_the_folder_of_api_keys():
    (folder,) = [mount for mount in SERVICES["service"]["volumes"] if mount.startswith("service:")]
    assert folder in SERVICES["recsys"]["volumes"]
    assert SERVICES["service"]["environment"]["RECSYS_HOME"] == folder.split(":")[1]


def test_airflow_is_configured_by_options_it_knows():
    """A misspelt AIRFLOW__SECTION__OPTION is ignored silently."""
    # Looked up instead of imported: importing Airflow would set it up in the home folder.
    (package,) = find_spec("airflow").submodule_search_locations
    known = yaml.safe_load((Path(package) / "config_templates" / "config.yml").read_text())
    for variable in SERVICES["airflow-scheduler"]["environment"]:
        if variable.startswith("AIRFLOW__"):
            _, section, option = variable.lower().split("__")
            assert option in known[section]["options"], variable


def test_prometheus_scrapes_services_of_this_file():
    scraped = yaml.safe_load((PROJECT / "monitoring/prometheus/prometheus.yml").read_text())["scrape_configs"]
    hosts = {target.split(":")[0] for job in scraped for entry in job["static_configs"] for target in entry["targets"]}
    assert hosts - {"localhost"} <= set(SERVICES)


def test_the_env_file_is_filled_with_strong_secrets_and_kept(tmp_path):
    env = tmp_path / ".env"
    env.write_text("GRAFANA_ADMIN_PASSWORD=mine\nUNRELATED=1")
    added = compose.fill(env)
    values = dict(line.split("=", 1) for line in env.read_text().splitlines())
    assert set(added) == set(compose.required()) - {"GRAFANA_ADMIN_PASSWORD"}
    assert values["GRAFANA_ADMIN_PASSWORD"] == "mine"
    assert values["UNRELATED"] == "1"
    assert all(len(values[name]) >= 44 for name in added if name != "SCHEDULE_START_DATE")
    assert len({values[name] for name in added}) == len(added)
    assert env.stat().st_mode & 0o777 == 0o600
    assert compose.fill(env) == []
    assert dict(line.split("=", 1) for line in env.read_text().splitlines()) == values


def test_the_generated_fernet_key_is_one_and_the_calendar_begins_now(tmp_path):
    from cryptography.fernet import Fernet
    from dotenv import dotenv_values

    compose.fill(tmp_path / ".env")
    values = dotenv_values(tmp_path / ".env")
    Fernet(values["AIRFLOW_FERNET_KEY"])
    start = ScheduleSettings(start_date=values["SCHEDULE_START_DATE"]).start_date
    assert abs(datetime.now(UTC) - start) < timedelta(minutes=5)

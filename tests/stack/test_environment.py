"""The env file: secrets made once, addresses from the settings, the owner's lines kept, nobody else reads it."""

import json
import stat
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.settings import ObjectStoreSettings, PostgresSettings, env_file, load
from recsys.stack import environment
from recsys.stack.settings import StackSettings


def test_secrets_are_made_once_and_addresses_follow_the_settings(home: Path) -> None:
    environment.write(environment.plan(StackSettings(api_port=1111)))
    first = environment.read()
    environment.write(environment.plan(StackSettings(api_port=2222)))
    second = environment.read()
    assert {name for name in first if first[name] != second[name]} == {"STACK_API_PORT", "SERVICE_PORT"}
    assert second["SERVICE_PORT"] == "2222"


def test_the_suite_reads_it_as_its_settings(home: Path) -> None:
    environment.write(environment.plan(load(StackSettings)))
    assert load(PostgresSettings).password.get_secret_value() == environment.read()["POSTGRES_PASSWORD"]
    assert load(ObjectStoreSettings).endpoint_url == f"http://127.0.0.1:{load(StackSettings).s3_port}"


def test_two_homes_have_different_secrets(home: Path) -> None:
    first, second = environment.plan(StackSettings()), environment.plan(StackSettings())
    for name in ("POSTGRES_PASSWORD", "S3_SECRET_KEY", "AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY"):
        assert first[name] != second[name]
        assert len(first[name]) >= 40


def test_only_its_owner_reads_it(home: Path) -> None:
    environment.write(environment.plan(StackSettings()))
    for path in (env_file(), environment.airflow_password_file()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_airflows_password_is_kept(home: Path) -> None:
    environment.write(environment.plan(StackSettings()))
    before = json.loads(environment.airflow_password_file().read_text())
    environment.write(environment.plan(StackSettings()))
    assert json.loads(environment.airflow_password_file().read_text()) == before
    assert len(before["admin"]) >= 20


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(value=st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" '\"\\#$=%"), max_size=40))
def test_the_owners_lines_survive_a_start(home: Path, value: str) -> None:
    environment.write(environment.plan(StackSettings()) | {"TELEGRAM_TOKEN": value})
    environment.write(environment.plan(StackSettings()))
    assert environment.read()["TELEGRAM_TOKEN"] == value

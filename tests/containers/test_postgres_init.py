"""The script that prepares the container's Postgres, run against a real server."""

import os
import subprocess
from pathlib import Path

import psycopg2
import pytest

from recsys.settings import PostgresSettings
from recsys.stack import postgres_server, temporary
from recsys.stack.process import free_port, open_path_for, unprivileged
from recsys.storage import postgres

SCRIPT = Path(__file__).parents[2] / "compose" / "postgres-init.sh"
# With every character that quoting could get wrong.
PASSWORDS = {name: f'{name}\'s \\"pass" $HOME;' for name in ("recsys", "airflow", "mlflow", "exporter")}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server as the image starts it, with superuser `postgres`, on which the script has run."""
    folder = tmp_path_factory.mktemp("container-postgres")
    admin = PostgresSettings(port=free_port(), database="postgres", user="postgres", password="superuser-secret")
    open_path_for(folder / "data")
    postgres_server.initialise(folder / "data", "postgres", "superuser-secret")
    with temporary.running(
        [*postgres_server.command(folder / "data", admin.port), "-c", "fsync=off"], folder / "log", user=unprivileged()
    ):
        postgres.wait(admin, print)
        variables = {f"{name.upper()}_DB_PASSWORD": password for name, password in PASSWORDS.items()}
        subprocess.run(
            ["/bin/sh", SCRIPT],
            env={
                "PATH": f"{postgres_server.BIN}:{os.environ['PATH']}",
                "POSTGRES_USER": "postgres",
                "PGHOST": admin.host,
                "PGPORT": str(admin.port),
                "PGPASSWORD": "superuser-secret",
                **variables,
            },
            check=True,
        )
        yield admin


def as_user(server, user, database):
    return server.model_copy(update={"user": user, "database": database, "password": secret(PASSWORDS[user])})


def secret(text):
    return PostgresSettings(password=text).password


@pytest.mark.parametrize("name", ["recsys", "airflow", "mlflow"])
def test_each_program_owns_its_database_and_is_no_superuser(server, name):
    with postgres.transaction(as_user(server, name, name)) as cursor:
        cursor.execute("create schema mine")
        cursor.execute("select rolsuper or rolcreaterole or rolcreatedb from pg_roles where rolname = current_user")
        assert cursor.fetchone() == (False,)


def test_nobody_reaches_the_database_of_another(server):
    for user, database in (("airflow", "recsys"), ("mlflow", "recsys"), ("recsys", "airflow"), ("exporter", "mlflow")):
        with pytest.raises(psycopg2.OperationalError, match="permission denied"):
            psycopg2.connect(as_user(server, user, database).dsn())


def test_the_shops_schema_migrates_and_has_vectors(server):
    shop = as_user(server, "recsys", "recsys")
    postgres.migrate(shop)
    with postgres.transaction(shop) as cursor:
        cursor.execute("select '[1,2]'::vector <-> '[1,2]'::vector")
        assert cursor.fetchone() == (0.0,)


def test_the_exporter_sees_statistics_but_no_data(server):
    exporter = as_user(server, "exporter", "recsys")
    with postgres.transaction(exporter) as cursor:
        cursor.execute("select count(*) from pg_stat_activity where query is not null")
        assert cursor.fetchone()[0] > 0
    with pytest.raises(psycopg2.errors.InsufficientPrivilege), postgres.transaction(exporter) as cursor:
        cursor.execute("select * from raw.datasets")

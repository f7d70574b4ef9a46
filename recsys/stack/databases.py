"""The three databases on the one Postgres server, and their schemas."""

import os
import subprocess
from importlib.metadata import version

import psycopg2.sql

from recsys.errors import UnavailableError
from recsys.settings import PostgresSettings, home, load
from recsys.stack import environment
from recsys.stack.process import tool
from recsys.storage import postgres

NAMES = ("recsys", "airflow", "mlflow")


def create() -> None:
    """Create what is missing and bring the shop's schema to its newest revision.

    MLflow migrates its own at each start.
    """
    connection = postgres.connect(load(PostgresSettings, database="postgres"))
    # `create database` cannot run in a transaction.
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("select datname from pg_database")
            there = {row[0] for row in cursor}
            for name in NAMES:
                if name not in there:
                    cursor.execute(psycopg2.sql.SQL("create database {}").format(psycopg2.sql.Identifier(name)))
    finally:
        connection.close()
    postgres.migrate(load(PostgresSettings))


def migrate_airflow() -> None:
    """Bring Airflow's own schema to the installed version; takes many seconds, so it is done once per version.

    Raises:
        UnavailableError: it failed; the log file is named.
    """
    note, log = home() / "airflow" / "migrated-to", home() / "logs" / "airflow-migrate.log"
    if note.exists() and note.read_text() == version("apache-airflow"):
        return
    with log.open("wb") as output:
        done = subprocess.run(
            [str(tool("airflow")), "db", "migrate"],
            env=os.environ | environment.read(),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        raise UnavailableError("`airflow db migrate` failed.", remedy=f"Read {log}.")
    note.write_text(version("apache-airflow"))

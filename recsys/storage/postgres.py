"""Postgres for jobs and scripts: connections, waiting at start, and migrations. The service uses asyncpg instead."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import psycopg2.extensions

from recsys.errors import UnavailableError
from recsys.settings import PostgresSettings

if TYPE_CHECKING:
    import sqlalchemy

Connection = psycopg2.extensions.connection
Cursor = psycopg2.extensions.cursor

MIGRATIONS = Path(__file__).parent / "migrations"


def connect(settings: PostgresSettings) -> Connection:
    """Open one connection; the caller closes it and ends its transactions.

    Raises:
        UnavailableError: nobody answers at that address, or it refuses these credentials.
    """
    try:
        return psycopg2.connect(settings.dsn(), connect_timeout=5, application_name="recsys")
    except psycopg2.OperationalError as error:
        raise UnavailableError(
            f"Postgres at {settings.host}:{settings.port}/{settings.database} is not reachable: {str(error).strip()}.",
            remedy="Start it (`recsys up`) or correct POSTGRES_HOST, POSTGRES_PORT and POSTGRES_PASSWORD.",
        ) from error


@contextmanager
def transaction(settings: PostgresSettings) -> Iterator[Cursor]:
    """A cursor in a transaction of its own: committed at the end, rolled back on any error."""
    connection = connect(settings)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def wait(settings: PostgresSettings, say: Callable[[str], None]) -> None:
    """Return once Postgres answers.

    Args:
        say: told once why we wait.

    Raises:
        UnavailableError: it did not answer within `settings.connect_timeout_s`.
    """
    deadline = time.monotonic() + settings.connect_timeout_s
    said = False
    while True:
        try:
            connect(settings).close()
            return
        except UnavailableError as error:
            if time.monotonic() >= deadline:
                raise
            if not said:
                say(f"Waiting up to {settings.connect_timeout_s:.0f} s: {error.message}")
                said = True
            time.sleep(0.5)


def engine_url(settings: PostgresSettings) -> "sqlalchemy.URL":
    """The address for SQLAlchemy; it names psycopg2, because a bare `postgresql://` means psycopg 3 since 2.1."""
    # Imported where used: the service's thin image does not carry it, and a small script need not wait for it.
    import sqlalchemy

    return sqlalchemy.URL.create(
        "postgresql+psycopg2",
        username=settings.user,
        password=settings.password.get_secret_value(),
        host=settings.host,
        port=settings.port,
        database=settings.database,
    )


def migrate(settings: PostgresSettings) -> None:
    """Bring the schema to the newest revision; safe to call at every start and from several processes at once."""
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = sqlalchemy.create_engine(engine_url(settings), poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("select pg_advisory_lock(7263001)"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.execute(sqlalchemy.text("select pg_advisory_unlock(7263001)"))
        connection.commit()
    engine.dispose()

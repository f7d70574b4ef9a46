"""Postgres for the service: its pool, and what a request answers while Postgres is away."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from fast_api_service.problems import ProblemError
from recsys.errors import NotReadyError, UnavailableError
from recsys.live.ingest import TRANSACTION_TIMEOUT_MS
from recsys.settings import PostgresSettings
from recsys.storage import pool
from recsys.storage.pool import UNAVAILABLE

RETRY_AFTER_S = 2


async def create_pool(settings: PostgresSettings, size: int) -> asyncpg.Pool:
    """A worker's pool."""
    return await pool.create_pool(settings, size, name="recsys-service", timeout_ms=TRANSACTION_TIMEOUT_MS)


@contextmanager
def database_errors(consequence: str, remedy: str = "Send the request again.") -> Iterator[None]:
    """Turn an unreachable Postgres or queue, or a shop without a dataset, into a 503 that says when to try again."""
    try:
        yield
    except UNAVAILABLE:
        raise _unavailable(f"Postgres does not answer. {consequence}", remedy) from None
    except UnavailableError as error:
        raise _unavailable(f"{error.message} {consequence}", remedy) from None
    except NotReadyError as error:
        raise _unavailable(f"{error.message} {consequence}", error.remedy) from None


def _unavailable(message: str, remedy: str) -> ProblemError:
    return ProblemError(503, "unavailable", message, remedy=remedy, headers={"Retry-After": str(RETRY_AFTER_S)})

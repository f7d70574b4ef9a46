"""Postgres for the service: an asyncpg pool that opens connections when they are needed and survives restarts."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from fast_api_service.problems import ProblemError
from recsys.errors import NotReadyError
from recsys.settings import PostgresSettings

# What a server that is stopping, starting, overloaded, unreachable or newly locked looks like to a client.
UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalClientError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)

# The tailers' look-back relies on no ingest transaction living longer than this.
TRANSACTION_TIMEOUT_MS = 4_000
RETRY_AFTER_S = 2


async def create_pool(settings: PostgresSettings, size: int) -> asyncpg.Pool:
    """A pool that connects at the first use, so that the service starts while Postgres is away."""
    return await asyncpg.create_pool(
        host=settings.host,
        port=settings.port,
        database=settings.database,
        user=settings.user,
        password=settings.password.get_secret_value(),
        min_size=0,
        max_size=size,
        timeout=3,
        command_timeout=TRANSACTION_TIMEOUT_MS / 1000 + 1,
        server_settings={
            "application_name": "recsys-service",
            "statement_timeout": str(TRANSACTION_TIMEOUT_MS),
            "transaction_timeout": str(TRANSACTION_TIMEOUT_MS),
        },
    )


@contextmanager
def database_errors(consequence: str) -> Iterator[None]:
    """Turn an unreachable Postgres, or one without a dataset, into a 503 that says when to try again."""
    try:
        yield
    except UNAVAILABLE:
        raise _unavailable(
            f"Postgres does not answer. {consequence}", "Send the request again, with the same event ids."
        ) from None
    except NotReadyError as error:
        raise _unavailable(f"{error.message} {consequence}", error.remedy) from None


def _unavailable(message: str, remedy: str) -> ProblemError:
    return ProblemError(503, "unavailable", message, remedy=remedy, headers={"Retry-After": str(RETRY_AFTER_S)})

"""Postgres for what runs in an event loop: an asyncpg pool that connects when needed and survives restarts."""

import asyncpg

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
_CONNECT_TIMEOUT_S = 3


async def create_pool(settings: PostgresSettings, size: int, *, name: str, timeout_ms: int) -> asyncpg.Pool:
    """A pool that connects at the first use, so that a program starts while Postgres is away.

    Args:
        name: the `application_name` of its connections.
        timeout_ms: how long a statement, and a transaction, may take.
    """
    return await asyncpg.create_pool(
        **_address(settings),
        min_size=0,
        max_size=size,
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=timeout_ms / 1000 + 1,
        server_settings={
            "application_name": name,
            "statement_timeout": str(timeout_ms),
            "transaction_timeout": str(timeout_ms),
        },
    )


async def connect(settings: PostgresSettings, *, name: str) -> asyncpg.Connection:
    """One connection of one's own, for what belongs to a session, such as an advisory lock."""
    return await asyncpg.connect(
        **_address(settings),
        timeout=_CONNECT_TIMEOUT_S,
        command_timeout=_CONNECT_TIMEOUT_S,
        server_settings={"application_name": name},
    )


def _address(settings: PostgresSettings) -> dict[str, str | int]:
    return {
        "host": settings.host,
        "port": settings.port,
        "database": settings.database,
        "user": settings.user,
        "password": settings.password.get_secret_value(),
    }

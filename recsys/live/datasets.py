"""Which dataset the worker works on."""

import asyncpg


async def active_dataset(pool: asyncpg.Pool) -> str | None:
    """The name of the active dataset; None before the first load."""
    name: str | None = await pool.fetchval("select name from raw.datasets where is_active")
    return name

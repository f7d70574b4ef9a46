"""Drops what nothing needs any more: whose a session was, once no event of it can still be on its way."""

import asyncpg

# A queue may be long, and a shop's own retries longer; no event is still under way after this.
KEEP_DAYS = 90

_OLD_OWNERS = "delete from shop.session_owners where merged_at < clock_timestamp() - make_interval(days => $1)"


async def forget_old(pool: asyncpg.Pool) -> None:
    """One round over all datasets."""
    await pool.execute(_OLD_OWNERS, KEEP_DAYS)

"""Drops what nothing needs any more: whose a session was, once no event of it can be under way; old retractions."""

import asyncpg

# A queue may be long, and a shop's own retries longer; no event is still under way after this.
KEEP_DAYS = 90

_OLD_OWNERS = "delete from shop.session_owners where merged_at < clock_timestamp() - make_interval(days => $1)"
# A host that was away for so long begins its recent store anew.
_OLD_RETRACTIONS = "delete from raw.retractions where retracted_at < clock_timestamp() - make_interval(days => $1)"


async def forget_old(pool: asyncpg.Pool) -> None:
    """One round over all datasets."""
    await pool.execute(_OLD_OWNERS, KEEP_DAYS)
    await pool.execute(_OLD_RETRACTIONS, KEEP_DAYS)

import asyncpg

from recsys.live.forgetting import forget_old


async def test_owners_of_sessions_are_forgotten_when_no_event_can_be_under_way(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into shop.session_owners (dataset, session_id, user_id, merged_at)"
        " values ('shop', 'old', 'u', now() - interval '91 days'), ('shop', 'new', 'u', now() - interval '89 days')"
    )
    await forget_old(pool)
    assert [row[0] for row in await pool.fetch("select session_id from shop.session_owners")] == ["new"]


async def test_retractions_are_forgotten_when_every_host_has_seen_them(pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into raw.retractions (dataset, user_id, timestamp_ms, retracted_at)"
        " values ('shop', 'old', 1, now() - interval '91 days'), ('shop', 'new', 1, now() - interval '89 days')"
    )
    await forget_old(pool)
    assert [row[0] for row in await pool.fetch("select user_id from raw.retractions")] == ["new"]

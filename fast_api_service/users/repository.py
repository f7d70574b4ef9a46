"""SQL of what is held of a user: merging a guest's session into an account, erasure, export."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from recsys.errors import NotReadyError
from recsys.live.ingest import NAMES, CollectedEvent
from recsys.schema import RecommendationTable

# Erasing reads every loaded event once; nothing waits for it but the one who asked.
ERASURE_TIMEOUT_S = 120
USER_TABLES = (RecommendationTable.PERSONALIZED, RecommendationTable.I2I, RecommendationTable.RANKED)

_DATASET = "select name from raw.datasets where is_active"
_OWN_SESSION = "insert into shop.session_owners (dataset, session_id, user_id) values ($1, $2, $3)"
# A new arrival and transaction, so that the tailers of all hosts see the rows again, now with their user.
_MERGE = f"""
update raw.collected_events
set user_id = $3, is_merged = true, ingested_at = clock_timestamp(), txid = pg_current_xact_id()
where dataset = $1 and session_id = $2 and user_id is null
returning {NAMES}
"""
_SESSIONS = """
select session_id from raw.collected_events where dataset = $1 and user_id = $2 and session_id is not null
union select session_id from shop.session_owners where dataset = $1 and user_id = $2
"""
_NOTE_ERASURE = """
insert into shop.erasures (dataset, user_hash)
select $1, shop.user_hash(name) from unnest(array[$2::text] || $3::text[]) as name
on conflict (dataset, user_hash) do update
set erased_at = clock_timestamp(), settled_at = null, txid = pg_current_xact_id()
"""
_LOADS = "load_id = any (select load_id from raw.loads where dataset = $1)"
_VERSIONS = "version = any (select version from recs.versions where dataset = $1)"
_OF_USER_OR_GUEST = "dataset = $1 and (user_id = $2 or user_id is null and session_id = any($3))"
_ERASE = {
    "collected_events": f"delete from raw.collected_events where {_OF_USER_OR_GUEST}",
    "retractions": f"delete from raw.retractions where {_OF_USER_OR_GUEST}",
    "loaded_events": f"delete from raw.events where {_LOADS} and user_id = $2",
    **{str(table): f"delete from recs.{table} where {_VERSIONS} and key = $2" for table in USER_TABLES},
    "live_lists": "delete from shop.live_lists where dataset = $1 and name = 'fits_profile' and key = $2",
    "customer_vectors": "delete from shop.customer_vectors where dataset = $1 and customer_id = $2",
    "customers": "delete from shop.customers where dataset = $1 and customer_id = $2",
    "merged_sessions": "delete from shop.session_owners where dataset = $1 and user_id = $2",
}
_EXPORT = {
    "collected_events": f"select {NAMES}, ingested_at from raw.collected_events"
    f" where {_OF_USER_OR_GUEST} order by timestamp_ms, event_id",
    "retractions": f"select session_id, timestamp_ms, retracted_at from raw.retractions where {_OF_USER_OR_GUEST}",
    "loaded_events": "select timestamp_ms, item_id, event_type, order_id, price, quantity from raw.events"
    f" where {_LOADS} and user_id = $2 order by timestamp_ms",
    **{
        str(table): f"select version, item_ids, scores, reasons, based_on from recs.{table}"
        f" where {_VERSIONS} and key = $2 order by version"
        for table in USER_TABLES
    },
    "live_lists": "select name, item_ids, scores, made_at from shop.live_lists"
    " where dataset = $1 and name = 'fits_profile' and key = $2",
    "customer_vectors": "select embedding::text as embedding from shop.customer_vectors"
    " where dataset = $1 and customer_id = $2",
    "customers": "select title, gender, age, location, preference, attributes, created_at,"
    " updated_at from shop.customers where dataset = $1 and customer_id = $2",
    "merged_sessions": "select session_id, merged_at from shop.session_owners where dataset = $1 and user_id = $2",
}


async def merge(pool: asyncpg.Pool, user_id: str, session_id: str) -> tuple[str, list[CollectedEvent]]:
    """Give the session's events that belong to nobody to the user; returns the dataset and these events.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction():
        dataset = await _dataset(connection)
        await connection.execute(_OWN_SESSION, dataset, session_id, user_id)
        rows = await connection.fetch(_MERGE, dataset, session_id, user_id)
    return dataset, [CollectedEvent(**row) for row in rows]


async def erase(pool: asyncpg.Pool, user_id: str) -> tuple[str, list[str], dict[str, int]]:
    """Delete all rows of a user and of the user's sessions; returns the dataset, these sessions, and rows by table.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local transaction_timeout = 0")
        await connection.execute(f"set local statement_timeout = '{ERASURE_TIMEOUT_S}s'")
        dataset = await _dataset(connection)
        sessions = await _sessions(connection, dataset, user_id)
        await connection.execute(_NOTE_ERASURE, dataset, user_id, [f"session:{name}" for name in sessions])
        erased = {}
        for name, statement in _ERASE.items():
            answer = await connection.execute(
                statement, *_parameters(statement, dataset, user_id, sessions), timeout=ERASURE_TIMEOUT_S
            )
            erased[name] = int(answer.split()[-1])
    return dataset, sessions, erased


async def export(pool: asyncpg.Pool, user_id: str) -> dict[str, list[dict[str, Any]]]:
    """All rows of a user and of the user's sessions, by table.

    Raises:
        NotReadyError: there is no dataset.
    """
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("set local transaction_timeout = 0")
        await connection.execute(f"set local statement_timeout = '{ERASURE_TIMEOUT_S}s'")
        dataset = await _dataset(connection)
        sessions = await _sessions(connection, dataset, user_id)
        found = {}
        for name, statement in _EXPORT.items():
            parameters = _parameters(statement, dataset, user_id, sessions)
            found[name] = [
                dict(row) for row in await connection.fetch(statement, *parameters, timeout=ERASURE_TIMEOUT_S)
            ]
    return found


async def _dataset(connection: asyncpg.Connection) -> str:
    name = await connection.fetchval(_DATASET)
    if name is None:
        raise NotReadyError("There is no dataset.", remedy="Load one with `recsys load SOURCE PATH`.")
    return str(name)


async def _sessions(connection: asyncpg.Connection, dataset: str, user_id: str) -> list[str]:
    return [row[0] for row in await connection.fetch(_SESSIONS, dataset, user_id)]


def _parameters(statement: str, dataset: str, user_id: str, sessions: Sequence[str]) -> tuple[object, ...]:
    return (dataset, user_id, sessions) if "$3" in statement else (dataset, user_id)

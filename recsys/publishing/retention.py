"""Removing what is no longer needed: leftovers of killed publishes, and versions beyond the last few.

Every step can be interrupted: a row goes last, or says what is still to be removed, so the next publish finishes it.
"""

import psycopg2
from psycopg2 import sql

from recsys.publishing.partition import partition_name
from recsys.schema import PublishedTable, RecommendationTable
from recsys.storage.object_store import ObjectStore
from recsys.storage.postgres import Connection


def object_key(dataset: str, table: PublishedTable, version: int) -> str:
    """Where the snapshot file of a version lies in the object store."""
    return f"snapshots/{dataset}/{table}/{version}.lmdb"


def remove_leftovers(connection: Connection, store: ObjectStore, dataset: str, table: PublishedTable) -> list[int]:
    """Remove what earlier publishes of this table did not finish; the caller holds its publisher lock, so all are dead.

    A killed publish leaves its row and perhaps an object: the partition was never committed.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select version from recs.versions where dataset = %s and table_name = %s"
            " and (status = 'building' or status = 'retired' and object_key is not null)",
            (dataset, str(table)),
        )
        versions = [version for (version,) in cursor]
    for version in versions:
        store.delete(object_key(dataset, table, version))
    with connection, connection.cursor() as cursor:
        cursor.execute("delete from recs.versions where version = any(%s) and status = 'building'", (versions,))
        cursor.execute("update recs.versions set object_key = null where version = any(%s)", (versions,))
    return versions


def retire_old(connection: Connection, store: ObjectStore, dataset: str, table: PublishedTable, keep: int) -> list[int]:
    """Drop all but the newest `keep` ready versions, older ones of the same run, and never the active one.

    A partition that somebody is reading just now stays until the next publish.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select version from ("
            " select version, row_number() over (order by version desc) > %s as old,"
            "  row_number() over (partition by run_id order by version desc) > 1 as replaced"
            " from recs.versions where dataset = %s and table_name = %s and status = 'ready') v"
            " where old or replaced order by version",
            (keep, dataset, str(table)),
        )
        candidates = [version for (version,) in cursor]
    retired = [version for version in candidates if _retire(connection, table, version)]
    remove_leftovers(connection, store, dataset, table)
    return retired


def _retire(connection: Connection, table: PublishedTable, version: int) -> bool:
    """Drop the partition of a version unless it is active or in use; its object follows with the leftovers."""
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("set local lock_timeout = '2s'")
            # The row lock comes first: a rollback to this version has either committed its flip or waits for us.
            cursor.execute("select from recs.versions where version = %s for update", (version,))
            cursor.execute(
                "update recs.versions set status = 'retired' where version = %s"
                " and not exists (select from recs.active_versions a where a.version = %s)",
                (version, version),
            )
            if cursor.rowcount and isinstance(table, RecommendationTable):
                cursor.execute(sql.SQL("drop table {}").format(partition_name(table, version)))
            return bool(cursor.rowcount)
    except psycopg2.errors.LockNotAvailable:
        return False

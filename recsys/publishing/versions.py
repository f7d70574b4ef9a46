"""Publishing: a table's new version is built aside, checked, and put into service by one flip of the pointer.

Until the flip's transaction commits nobody sees anything of the version: the Postgres partition is created, filled,
attached and pointed at in that one transaction, and the snapshot file in the object store is only reached through the
pointer. A publish killed anywhere leaves a `building` row and perhaps an object, which the next one removes.
"""

import json
import logging
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
import psycopg2

from recsys.errors import ConflictError, IntegrityError, RecsysError, UnavailableError
from recsys.publishing import retention
from recsys.publishing.bulk import SnapshotWriter
from recsys.publishing.frames import checked, slices
from recsys.publishing.partition import PartitionWriter
from recsys.publishing.pointer import activate
from recsys.publishing.snapshot_file import sha256
from recsys.schema import PublishedTable, RecommendationTable
from recsys.settings import PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from recsys.storage.postgres import Connection
from recsys.storage.workspace import workspace

log = logging.getLogger(__name__)

_PIECE_ITEMS = 1_000_000  # list entries held at a time, whatever the frames' size; some 100 MB with all their forms
_LOCK_CLASS = 7263002


class Run(Protocol):
    """What publishing needs of a `recsys.pipeline.context.RunContext`."""

    @property
    def run_id(self) -> str: ...
    @property
    def dataset(self) -> str: ...
    @property
    def settings(self) -> PipelineSettings: ...
    @property
    def postgres(self) -> PostgresSettings: ...
    @property
    def store(self) -> ObjectStore: ...


@dataclass(frozen=True)
class PublishedVersion:
    """A version in service: how many keys (lists) and items (entries of all lists) it has, and where its file lies."""

    version: int
    keys: int
    items: int
    object_key: str


def publish(
    context: Run, table: PublishedTable, frames: Iterable[pl.DataFrame], metadata: dict[str, Any] | None = None
) -> PublishedVersion:
    """Publish a new version of a table and put it into service; the same run publishing again replaces its version.

    Args:
        frames: see `recsys.publishing.frames`; chunks of any size, a key once in all of them; fastest by key.
        metadata: kept beside the version: model, metrics, whatever explains it.

    Raises:
        BadInputError: a frame breaks a rule.
        ConflictError: somebody else is publishing this table.
        UnavailableError: a server is away or a disk is full. In each case the version in service stays.
    """
    with closing(postgres.connect(context.postgres)) as connection:
        _become_the_publisher(connection, context.dataset, table)
        retention.remove_leftovers(connection, context.store, context.dataset, table)
        version = _begin(connection, context, table, metadata or {})
        try:
            published = _build_and_flip(connection, context, table, version, frames)
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            # Rolling back on a lost connection raises once more; why it was lost stands in the first error.
            raise UnavailableError(
                f"Postgres failed while {table} was published: {str(error.__context__ or error).strip()}.",
                remedy="See its log and its disk; the version in service is untouched.",
            ) from error
        try:
            keep = context.settings.publish.keep_versions
            retention.retire_old(connection, context.store, context.dataset, table, keep)
        except (RecsysError, psycopg2.Error) as error:
            log.warning("Old versions of %s stay until the next publish: %s", table, error)
    log.info("Published %s", published)
    return published


def _become_the_publisher(connection: Connection, dataset: str, table: PublishedTable) -> None:
    """Take the table's advisory lock; it goes with the connection, so with a killed process too, a moment later."""
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("set local lock_timeout = '5s'")
            cursor.execute("select pg_advisory_lock(%s, hashtext(%s))", (_LOCK_CLASS, f"{dataset}/{table}"))
    except psycopg2.errors.LockNotAvailable as error:
        raise ConflictError(
            f"{table} of dataset {dataset!r} is being published by another process.",
            remedy="Wait until it is done and run this step again.",
        ) from error


def _begin(connection: Connection, context: Run, table: PublishedTable, metadata: dict[str, Any]) -> int:
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into recs.versions (dataset, table_name, run_id, metadata) values (%s, %s, %s, %s)"
            " returning version",
            (context.dataset, str(table), context.run_id, json.dumps(metadata, default=str)),
        )
        (version,) = cursor.fetchone() or (0,)
        return int(version)


def _build_and_flip(
    connection: Connection, context: Run, table: PublishedTable, version: int, frames: Iterable[pl.DataFrame]
) -> PublishedVersion:
    """Everything between the `building` row and the commit that makes it the active version."""
    key = retention.object_key(context.dataset, table, version)
    with workspace() as folder, connection, connection.cursor() as cursor:
        path = folder / "snapshot.lmdb"
        with closing(SnapshotWriter(path)) as snapshot, ExitStack() as stack:
            partition = None
            if isinstance(table, RecommendationTable):
                partition = stack.enter_context(closing(PartitionWriter(cursor, table, version)))
            for piece in (piece for frame in frames for piece in slices(checked(frame, table), _PIECE_ITEMS)):
                if partition:
                    partition.add(piece)
                snapshot.add(piece)
            if partition:
                partition.attach()
                if partition.rows != snapshot.keys:
                    raise IntegrityError(
                        f"{table}: {partition.rows} rows in Postgres, {snapshot.keys} in the snapshot."
                    )
            snapshot.finish({"dataset": context.dataset, "table": str(table), "version": version})
        context.store.upload(path, key)
        stored = [entry.size for entry in context.store.list(key)]
        if stored != [path.stat().st_size]:
            raise IntegrityError(f"{key} has {stored} bytes in the object store instead of {path.stat().st_size}.")
        cursor.execute(
            "update recs.versions set status = 'ready', keys = %s, items = %s, object_key = %s, object_sha256 = %s,"
            " object_bytes = %s, published_at = clock_timestamp() where version = %s",
            (snapshot.keys, snapshot.items, key, sha256(path), path.stat().st_size, version),
        )
        activate(cursor, context.dataset, table, version)
    return PublishedVersion(version, snapshot.keys, snapshot.items, key)

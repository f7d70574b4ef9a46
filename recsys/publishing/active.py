"""The lists in service, read back in bulk: what the ranking step takes its candidates from."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from recsys.errors import IntegrityError, NotReadyError
from recsys.publishing.bulk import SnapshotReader
from recsys.publishing.snapshot_file import sha256
from recsys.publishing.versions import Run
from recsys.schema import PublishedTable
from recsys.storage import postgres
from recsys.storage.workspace import workspace


def open_active(context: Run, table: PublishedTable, folder: Path) -> SnapshotReader:
    """Download the active version's snapshot file into `folder` and open it.

    Raises:
        NotReadyError: nothing has been published yet.
        IntegrityError: the stored file is not the one that was published.
    """
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(
            "select v.object_key, v.object_sha256 from recs.active_versions a join recs.versions v using (version)"
            " where a.dataset = %s and a.table_name = %s",
            (context.dataset, str(table)),
        )
        row = cursor.fetchone()
    if row is None:
        raise NotReadyError(
            f"{table} of dataset {context.dataset!r} has never been published.", remedy="Run the step that makes it."
        )
    key, expected = row
    path = folder / f"{table}.lmdb"
    context.store.download(key, path)
    if (found := sha256(path)) != expected:
        raise IntegrityError(f"{key} has SHA-256 {found}, published was {expected}.", remedy="Publish the table again.")
    return SnapshotReader(path)


def read_active(context: Run, table: PublishedTable) -> Iterator[pl.DataFrame]:
    """The active version in long form (`key, item_id, score?, rank, reason?, based_on?`), by key, in chunks of keys."""
    with workspace() as folder:
        yield from open_active(context, table, folder).chunks()

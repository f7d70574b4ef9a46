"""Which version of each table is in service: the pointer, its history, and going back."""

from dataclasses import dataclass
from datetime import datetime

from recsys.errors import BadInputError, NotReadyError
from recsys.schema import PublishedTable, RecommendationTable
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.postgres import Cursor


@dataclass(frozen=True)
class VersionInfo:
    """A version that has been published and not been dropped since; `bytes` is the size of its snapshot file."""

    table: str
    version: int
    run_id: str
    keys: int
    items: int
    bytes: int
    published_at: datetime
    is_active: bool


@dataclass(frozen=True)
class Rollback:
    """One table's way back."""

    table: str
    from_version: int
    to_version: int


def activate(cursor: Cursor, dataset: str, table: PublishedTable, version: int) -> None:
    """Point the table at a version; readers see it when the caller's transaction commits."""
    cursor.execute(
        "insert into recs.active_versions (dataset, table_name, version) values (%s, %s, %s)"
        " on conflict (dataset, table_name) do update"
        " set version = excluded.version, generation = excluded.generation, flipped_at = now()",
        (dataset, str(table), version),
    )


def list_versions(
    settings: PostgresSettings, dataset: str, table: RecommendationTable | None = None
) -> list[VersionInfo]:
    """All versions that can be served, by table, newest first."""
    with postgres.transaction(settings) as cursor:
        cursor.execute(
            "select v.table_name, v.version, v.run_id, v.keys, v.items, v.object_bytes, v.published_at,"
            " a.version is not null"
            " from recs.versions v left join recs.active_versions a using (dataset, table_name, version)"
            " where v.dataset = %s and v.status = 'ready' and (%s::text is null or v.table_name = %s)"
            " order by v.table_name, v.version desc",
            (dataset, table and str(table), table and str(table)),
        )
        return [VersionInfo(*row) for row in cursor]


def rollback(
    settings: PostgresSettings, dataset: str, table: RecommendationTable | None = None, to_version: int | None = None
) -> list[Rollback]:
    """Put an earlier version back into service: the same flip as publishing one, nothing is rebuilt.

    Args:
        table: None rolls every recommendation table back that has an earlier version, in one transaction.
        to_version: None is the newest one before the active.

    Raises:
        NotReadyError: there is no such version.
    """
    if table is None and to_version is not None:
        raise BadInputError(
            f"Version {to_version} belongs to one table.", remedy="Name it: `recsys rollback TABLE --to VERSION`."
        )
    with postgres.transaction(settings) as cursor:
        # Locked until the flip commits, so that retention cannot drop the version in between.
        cursor.execute(
            "select distinct on (a.table_name) a.table_name, a.version, v.version"
            " from recs.active_versions a join recs.versions v using (dataset, table_name)"
            " where a.dataset = %s and a.table_name = any(%s) and v.status = 'ready'"
            " and case when %s::bigint is null then v.version < a.version else v.version = %s end"
            " order by a.table_name, v.version desc",
            (dataset, [str(table)] if table else [str(each) for each in RecommendationTable], to_version, to_version),
        )
        steps = [Rollback(*row) for row in cursor.fetchall()]
        cursor.execute(
            "select count(*) from (select from recs.versions where version = any(%s) and status = 'ready' for share) v",
            ([step.to_version for step in steps],),
        )
        if not steps or cursor.fetchone() != (len(steps),):
            raise NotReadyError(
                f"{table or 'Every table'} of dataset {dataset!r} has no version "
                + (f"{to_version}." if to_version else "before the active one."),
                remedy="See what there is: `recsys versions`.",
            )
        for step in steps:
            activate(cursor, dataset, RecommendationTable(step.table), step.to_version)
    return steps

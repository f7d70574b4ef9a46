"""Raw rows written straight into Postgres, for tests that need exact ones; loaders would refuse some of them."""

from collections.abc import Sequence

from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.storage import postgres

COLUMNS = {
    RawTable.EVENTS: "timestamp_ms, user_id, item_id, event_type",
    RawTable.ITEM_PROPERTIES: "timestamp_ms, item_id, property, value",
    RawTable.CATEGORY_TREE: "category_id, parent_id",
}


def write_rows(database: PostgresSettings, dataset: str, table: RawTable, rows: Sequence[tuple[object, ...]]) -> None:
    """One load of a dataset, which is created if need be."""
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source) values (%s, 'test') on conflict do nothing", (dataset,))
        cursor.execute(
            "insert into raw.loads (dataset, table_name, file_name, content_sha256, rows_read, rows_accepted,"
            " rows_rejected) values (%s, %s, 'test', gen_random_uuid()::text, %s, %s, 0) returning load_id",
            (dataset, str(table), len(rows), len(rows)),
        )
        (load_id,) = cursor.fetchone() or (0,)
        cursor.execute(f"create table raw.{table}_{load_id} partition of raw.{table} for values in ({load_id})")
        columns = COLUMNS[table]
        marks = ", ".join(["%s"] * (columns.count(",") + 2))
        cursor.executemany(
            f"insert into raw.{table} (load_id, {columns}) values ({marks})", [(load_id, *row) for row in rows]
        )


def collect(database: PostgresSettings, dataset: str, **event: object) -> None:
    """One event that came through the API."""
    columns = ", ".join(event)
    with postgres.transaction(database) as cursor:
        cursor.execute(
            f"insert into raw.collected_events (dataset, {columns}) values (%s, {', '.join(['%s'] * len(event))})",
            (dataset, *event.values()),
        )

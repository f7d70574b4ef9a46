"""A small database with every kind of table that the admin commands meet."""

from recsys.settings import PostgresSettings
from recsys.storage import postgres, tables


def fill(database: PostgresSettings) -> PostgresSettings:
    """One load of events, versions 1 (active) and 2 of the similar items, and a table of the shop's own."""
    with postgres.transaction(database) as cursor:
        cursor.execute(
            """
            insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true);
            insert into raw.loads
                (dataset, table_name, file_name, content_sha256, rows_read, rows_accepted, rows_rejected) values
                ('shop', 'events', 'events.csv', 'abc', 1, 1, 0);
            create table raw.events_1 partition of raw.events for values in (1);
            insert into raw.events values (1, 1433000000000, 'u1', 'i1', 'view', null, null, null);
            insert into recs.versions (dataset, table_name, run_id, status) values
                ('shop', 'similar_items', 'a', 'ready'), ('shop', 'similar_items', 'b', 'ready');
            insert into recs.active_versions (dataset, table_name, version) values ('shop', 'similar_items', 1);
            create table recs.similar_items_1 partition of recs.similar_items for values in (1);
            create table recs.similar_items_2 partition of recs.similar_items for values in (2);
            insert into recs.similar_items values (1, 'i1', '{i2,i3}', '{0.5,0.25}', null, null);
            create table "My notes; drop" (note text, at timestamptz, amount numeric);
            insert into "My notes; drop" values ('first', '2026-01-02T03:04:05Z', 1.5), (null, null, null);
            """
        )
    return database


def names(database: PostgresSettings) -> set[str]:
    """Everything there is, as `schema.table`."""
    with postgres.transaction(database) as cursor:
        return {str(table) for table in tables.all_tables(cursor)}

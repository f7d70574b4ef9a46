"""Tables by the name a person types: found in the catalogue, read in batches, dropped where nothing is lost.

A typed name is only ever compared with the catalogue; statements are composed from the names found there.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from recsys.errors import BadInputError
from recsys.storage.postgres import Connection, Cursor

KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view"}
OWN_SCHEMAS = ("raw", "recs", "shop", "ops")

# The parent of a partition and its bound; both null for anything else.
CATALOGUE = """
select n.nspname, c.relname, c.relkind::text, p.relname, pg_get_expr(c.relpartbound, c.oid)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join pg_inherits i on i.inhrelid = c.oid and c.relispartition
left join pg_class p on p.oid = i.inhparent
where c.relkind in ('r', 'p', 'v', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
order by 1, 2
"""


@dataclass(frozen=True)
class Table:
    """A table, view or partition. `part` is the load id or version that a partition holds, else None."""

    schema: str
    name: str
    kind: str
    parent: str | None
    part: int | None

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """The quoted name, for composed statements."""
        return sql.Identifier(self.schema, self.name)


def all_tables(cursor: Cursor) -> list[Table]:
    """Everything in the database that holds or shows rows, partitions included."""
    cursor.execute(CATALOGUE)
    tables = []
    for schema, name, kind, parent, bound in cursor.fetchall():
        part = re.search(r"\d+", bound or "")
        tables.append(Table(schema, name, KINDS[kind], parent, int(part.group()) if part else None))
    return tables


def find(cursor: Cursor, name: str) -> Table:
    """The table called `name`: `schema.table`, or `table` where only one schema has it.

    Raises:
        BadInputError: no table has that name, or several do; the message lists the known ones.
    """
    tables = all_tables(cursor)
    found = [table for table in tables if name in (table.name, str(table))]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInputError(
            f"--table-name {name!r} could be {' or '.join(map(str, found))}.", remedy="Write the name with its schema."
        )
    known = ", ".join(str(table) for table in tables if table.parent is None)
    raise BadInputError(f"--table-name {name!r} is not a known table.", remedy=f"Known tables: {known}.")


def columns(cursor: Cursor, table: Table) -> dict[str, str]:
    """Names of its columns and their Postgres types, in order."""
    cursor.execute(
        "select a.attname, format_type(a.atttypid, null) from pg_attribute a"
        " join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = %s and a.attnum > 0 and not a.attisdropped order by a.attnum",
        (table.schema, table.name),
    )
    return dict(cursor.fetchall())


def count(cursor: Cursor, table: Table) -> int:
    """How many rows it holds."""
    cursor.execute(sql.SQL("select count(*) from {}").format(table.identifier))
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def read(
    connection: Connection, table: Table, fields: list[sql.Composable], batch: int
) -> Iterator[list[tuple[Any, ...]]]:
    """Its rows in batches, through a server-side cursor, so that memory holds one batch whatever the table's size."""
    with connection.cursor(name="read_table") as cursor:
        cursor.execute(sql.SQL("select {} from {}").format(sql.SQL(", ").join(fields), table.identifier))
        while rows := cursor.fetchmany(batch):
            yield rows


def drop(cursor: Cursor, table: Table) -> None:
    """Drop a table that is not the suite's, or a version that is not in service; the version is retired with it.

    Raises:
        BadInputError: the suite cannot do without it.
    """
    if table.schema == "recs" and table.part is not None:
        # Locks the version's row before the look at the pointer, as a rollback to it does.
        cursor.execute("update recs.versions set status = 'retired' where version = %s", (table.part,))
        cursor.execute("select dataset from recs.active_versions where version = %s", (table.part,))
        if active := cursor.fetchone():
            raise BadInputError(
                f"{table} is version {table.part}, which serves dataset {active[0]!r} now, and is not dropped.",
                remedy=f"Put another version into service first: `recsys rollback {table.parent}`.",
            )
    elif table.schema in OWN_SCHEMAS or table.name == "alembic_version":
        raise BadInputError(
            f"{table} belongs to the suite and is not dropped.",
            remedy="A table of your own can be dropped, or a version that is not in service;"
            " `recsys load … --replace` replaces loaded data.",
        )
    cursor.execute(sql.SQL("drop {} {}").format(sql.SQL(table.kind), table.identifier))

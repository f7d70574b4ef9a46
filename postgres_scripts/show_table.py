"""Show the first rows of a table and how many it has.

python postgres_scripts/show_table.py --table-name recs.current_similar_items
"""

from typing import Annotated

import typer
from psycopg2 import sql
from rich.table import Table

from recsys.console import console, plain_errors
from recsys.settings import PostgresSettings, load
from recsys.storage import postgres, tables


def show_table(
    table_name: Annotated[str, typer.Option("--table-name", "-tn", help="`table` or `schema.table`.")],
    rows: Annotated[int, typer.Option(min=1, max=10_000, help="How many rows to show.")] = 10,
) -> None:
    """Show the first rows of a table and how many it has."""
    with postgres.transaction(load(PostgresSettings)) as cursor:
        table = tables.find(cursor, table_name)
        names = tables.columns(cursor, table)
        total = tables.count(cursor, table)
        cursor.execute(sql.SQL("select * from {} limit %s").format(table.identifier), (rows,))
        shown = Table(*names, title=str(table), caption=f"{min(rows, total):,} of {total:,} rows")
        for row in cursor.fetchall():
            shown.add_row(*(_cell(value) for value in row))
    console.print(shown)


def _cell(value: object) -> str:
    """One line a cell: long lists are cut."""
    text = "" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


if __name__ == "__main__":
    with plain_errors():
        typer.run(show_table)

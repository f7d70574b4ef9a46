"""Drop a table of your own, or a version that is not in service; asks first.

python postgres_scripts/drop_table.py --table-name my_experiment
"""

from typing import Annotated

import typer

from recsys.console import console, plain_errors
from recsys.settings import PostgresSettings, load
from recsys.storage import postgres, tables


def drop_table(
    table_name: Annotated[str, typer.Option("--table-name", "-tn", help="`table` or `schema.table`.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Drop a table of your own, or a version that is not in service; asks first."""
    settings = load(PostgresSettings)
    with postgres.transaction(settings) as cursor:
        table = tables.find(cursor, table_name)
        rows = tables.count(cursor, table)
    if not yes:
        typer.confirm(f"Drop {table.kind} {table} with {rows:,} rows?", abort=True)
    with postgres.transaction(settings) as cursor:
        tables.drop(cursor, table)
    console.print(f"Dropped {table.kind} {table} with {rows:,} rows.", markup=False)


if __name__ == "__main__":
    with plain_errors():
        typer.run(drop_table)

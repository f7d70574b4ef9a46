"""Save a table as a Parquet file, `SAVE_DIR/TABLE.parquet`.

python postgres_scripts/load_table.py --save-dir data --table-name recs.current_similar_items
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from psycopg2 import sql
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from recsys.console import console, errors, plain_errors
from recsys.settings import PostgresSettings, load
from recsys.storage import postgres, tables

BATCH_ROWS = 20_000

# Postgres types that Parquet has too; everything else travels as text.
TYPES: dict[str, pa.DataType] = {
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "text": pa.string(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "text[]": pa.list_(pa.string()),
    "real[]": pa.list_(pa.float32()),
    "bigint[]": pa.list_(pa.int64()),
}


def load_table(
    table_name: Annotated[str, typer.Option("--table-name", "-tn", help="`table` or `schema.table`.")],
    save_dir: Annotated[
        Path,
        typer.Option("--save-dir", "-sd", file_okay=False, writable=True, help="Folder of the file; made if need be."),
    ],
) -> None:
    """Save a table as a Parquet file; the file appears whole or not at all."""
    settings = load(PostgresSettings)
    with postgres.transaction(settings) as cursor:
        table = tables.find(cursor, table_name)
        types = tables.columns(cursor, table)
    schema = pa.schema([(name, TYPES.get(kind, pa.string())) for name, kind in types.items()])
    fields: list[sql.Composable] = [
        sql.Identifier(name) if kind in TYPES else sql.SQL("{}::text").format(sql.Identifier(name))
        for name, kind in types.items()
    ]
    save_dir.mkdir(parents=True, exist_ok=True)
    path = save_dir / f"{table.name}.parquet"
    part = path.with_name(path.name + ".part")
    connection = postgres.connect(settings)
    shape = (SpinnerColumn(), TextColumn("{task.completed:,} rows"), TimeElapsedColumn())
    try:
        with Progress(*shape, console=errors, transient=True) as progress, pq.ParquetWriter(part, schema) as writer:
            task = progress.add_task("", total=None)
            for rows in tables.read(connection, table, fields, BATCH_ROWS):
                arrays = [
                    pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), schema.types, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema=schema))
                progress.advance(task, len(rows))
            total = int(progress.tasks[0].completed)
        part.replace(path)
    finally:
        connection.close()
        part.unlink(missing_ok=True)
    console.print(f"Saved {total:,} rows of {table} to {path}.", markup=False, soft_wrap=True)


if __name__ == "__main__":
    with plain_errors():
        typer.run(load_table)

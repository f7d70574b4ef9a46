"""What the publishing tests publish, and how they look at it."""

import dataclasses
from typing import Any

import polars as pl

from recsys.pipeline.context import RunContext
from recsys.storage import postgres


def lists(mark: str, keys: int = 3, k: int = 4) -> pl.DataFrame:
    """`keys` lists of `k` items that all carry `mark`."""
    return pl.DataFrame(
        {
            "key": [f"u{key}" for key in range(keys)],
            "item_ids": [[f"{mark}-{item}" for item in range(k)]] * keys,
            "scores": [[float(k - item) for item in range(k)]] * keys,
        },
        schema={"key": pl.String, "item_ids": pl.List(pl.String), "scores": pl.List(pl.Float32)},
    )


def rows(context: RunContext, statement: str) -> list[tuple[Any, ...]]:
    """The answer of Postgres."""
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def run(context: RunContext, run_id: str) -> RunContext:
    """The same shop in another run."""
    return dataclasses.replace(context, run_id=run_id)


def partitions(context: RunContext) -> list[str]:
    """Names of all partitions of the recommendation tables, attached or not."""
    statement = "select relname from pg_class where relnamespace = 'recs'::regnamespace and relname ~ '_[0-9]+$'"
    return sorted(name for (name,) in rows(context, statement + " and relkind = 'r'"))


def objects(context: RunContext) -> list[str]:
    """Names of all snapshot files in the object store."""
    return sorted(entry.key.rsplit("/", 1)[1] for entry in context.store.list("snapshots/"))

"""Puts a shop's first catalogue into the tables that its API keeps: all of it or, whatever happens, nothing.

Loading again changes only what differs; a purchase is known again by its content. Products count as having been so from
the beginning, since nobody says since when.
"""

import io
import time
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import polars as pl
from psycopg2 import sql

from recsys.schema import EventType
from recsys.settings import PostgresSettings, home
from recsys.sources import datasets
from recsys.sources.base import REASON
from recsys.sources.category_tree import refuse_cycle
from recsys.sources.shop import PARTS, PartRows, read_shop
from recsys.storage import postgres
from recsys.storage.postgres import Cursor

# How a text column becomes what the table holds.
_CASTS = {
    "age": "smallint",
    "price": "double precision",
    "stock": "integer",
    "recommendation_weight": "double precision",
    "is_repeatable": "boolean",
    "is_available": "boolean",
    "is_hidden": "boolean",
}
_NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,15})?$"
_COLLECT = f"""
insert into raw.collected_events
    (dataset, event_id, timestamp_ms, user_id, item_id, event_type, order_id, price, quantity)
select %s, event_id, timestamp_ms, customer_id, product_id, '{EventType.PURCHASE}', order_id, price, quantity
from new_rows on conflict (dataset, event_id) do nothing
"""


@dataclass
class PartLoad:
    """What became of one part: rows of the file, records (or purchases) in them, and how many were new or different."""

    name: str
    file: str
    read: int
    records: int
    changed: int
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_file: Path | None = None


def load_shop(path: Path, database: PostgresSettings, dataset: str) -> list[PartLoad]:
    """Load all parts into a dataset, which is created if need be and becomes the active one.

    Raises:
        BadInputError: a file is refused as a whole, or its categories go round in a circle with those that are there.
    """
    parts = list(read_shop(path))
    with postgres.transaction(database) as cursor:
        datasets.create_in(cursor, dataset, "shop")
        cursor.execute("set local recsys.told_at_ms = '0'")
        loads = [_load(cursor, dataset, part) for part in parts]
        datasets.activate_in(cursor, dataset)
    for part, load in zip(parts, loads, strict=True):
        if part.rejected is not None:
            load.rejected_file = home() / "rejected" / f"{dataset}-{part.name}-{part.file}.csv"
            load.rejected_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.rejected.write_csv(load.rejected_file)
    return loads


def _load(cursor: Cursor, dataset: str, part: PartRows) -> PartLoad:
    rejected = (
        Counter(dict(part.rejected[REASON].value_counts().iter_rows())) if part.rejected is not None else Counter()
    )
    read = part.accepted.height + rejected.total()
    if part.name == "purchases":
        rows = _purchases(part.accepted)
        changed = _collect(cursor, dataset, rows)
    else:
        # The last row about a record counts.
        rows = part.accepted.unique(PARTS[part.name].ids, keep="last", maintain_order=True)
        if part.name == "categories" and "parent_id" in rows.columns:
            _refuse_cycle(cursor, dataset, rows, part.file)
        changed = _upsert(cursor, dataset, part, rows)
    return PartLoad(part.name, part.file, read, rows.height, changed, rejected)


def _purchases(rows: pl.DataFrame) -> pl.DataFrame:
    """With ids: those of the same content differ by their number, so that loading them again gives the same ones."""
    content = pl.concat_str(pl.all().cast(pl.String).fill_null(""), separator="\0")
    marked = rows.with_columns(content.alias("event_id")).with_columns(
        pl.format("{}\0{}", "event_id", pl.int_range(pl.len()).over("event_id")).alias("event_id")
    )
    if "timestamp_ms" not in marked.columns:
        marked = marked.with_columns(timestamp_ms=pl.lit(int(time.time() * 1000)))
    ids = [f"load:{sha256(text.encode()).hexdigest()[:32]}" for text in marked["event_id"]]
    return marked.with_columns(pl.Series("event_id", ids))


def _collect(cursor: Cursor, dataset: str, rows: pl.DataFrame) -> int:
    types = {
        "event_id": "text", "timestamp_ms": "bigint", "customer_id": "text", "product_id": "text", "order_id": "text",
        "price": "real", "quantity": "real",
    }  # fmt: skip
    _copy(cursor, types, rows)
    cursor.execute(_COLLECT, (dataset,))
    return cursor.rowcount


def _upsert(cursor: Cursor, dataset: str, part: PartRows, rows: pl.DataFrame) -> int:
    """Write the columns that the file has; records that say the same already are left alone."""
    (key,) = PARTS[part.name].ids
    known = [name for name in rows.columns if name != key and name not in part.attributes]
    values = {name: _value(name) for name in known}
    if part.attributes:
        known.append("attributes")
        values["attributes"] = _attributes(part.attributes)
    _copy(cursor, dict.fromkeys(rows.columns, "text"), rows)
    columns = [sql.Identifier(name) for name in known]
    statement = sql.SQL(
        "insert into {table} as record (dataset, {key}, {columns})"
        " select %s, {key}, {values} from new_rows order by {key}"
        " on conflict (dataset, {key}) do update set ({columns}) = row ({new})"
        " where ({old}) is distinct from ({new})"
        if known
        else "insert into {table} (dataset, {key}) select %s, {key} from new_rows on conflict do nothing"
    ).format(
        table=sql.Identifier("shop", part.name),
        key=sql.Identifier(key),
        columns=sql.SQL(", ").join(columns),
        values=sql.SQL(", ").join(values.values()),
        old=sql.SQL(", ").join(sql.SQL("record.{}").format(column) for column in columns),
        new=sql.SQL(", ").join(sql.SQL("excluded.{}").format(column) for column in columns),
    )
    cursor.execute(statement, (dataset,))
    return cursor.rowcount


def _value(name: str) -> sql.Composable:
    column = sql.Identifier(name)
    if name == "tags":
        return sql.SQL(
            "array(select btrim(tag) from unnest(string_to_array({}, ',')) tag where btrim(tag) <> '')"
        ).format(column)
    if name.startswith("is_"):  # an empty flag says what the API's default says
        default = sql.Literal(name == "is_available")
        return sql.SQL("coalesce({}::int::boolean, {})").format(column, default)
    if name == "recommendation_weight":
        return sql.SQL("coalesce({}::double precision, 1)").format(column)
    return sql.SQL("{}::" + _CASTS.get(name, "text")).format(column)


def _attributes(names: list[str]) -> sql.Composable:
    """A JSON object of the columns that are not empty; what looks like a number is one."""
    pairs = [
        sql.SQL("{0}, case when {1} ~ {2} then to_jsonb({1}::double precision) else to_jsonb({1}) end").format(
            sql.Literal(name), sql.Identifier(name), sql.Literal(_NUMBER)
        )
        for name in names
    ]
    return sql.SQL("jsonb_strip_nulls(jsonb_build_object({}))").format(sql.SQL(", ").join(pairs))


def _refuse_cycle(cursor: Cursor, dataset: str, rows: pl.DataFrame, file: str) -> None:
    cursor.execute("select category_id, parent_id from shop.categories where dataset = %s", (dataset,))
    refuse_cycle(dict(cursor.fetchall()) | dict(rows.select("category_id", "parent_id").iter_rows()), file)


def _copy(cursor: Cursor, types: dict[str, str], rows: pl.DataFrame) -> None:
    """`new_rows`, a temporary table of these columns; what the rows lack is null."""
    columns = sql.SQL(", ").join(sql.SQL("{} " + kind).format(sql.Identifier(name)) for name, kind in types.items())
    cursor.execute(
        sql.SQL("drop table if exists new_rows; create temp table new_rows ({}) on commit drop").format(columns)
    )
    given = [name for name in types if name in rows.columns]
    buffer = io.BytesIO()
    rows.select(given).write_csv(buffer, include_header=False)
    buffer.seek(0)
    names = sql.SQL(", ").join(map(sql.Identifier, given))
    cursor.copy_expert(sql.SQL("copy new_rows ({}) from stdin (format csv)").format(names), buffer)

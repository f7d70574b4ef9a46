"""A shop's first catalogue: customers, categories, products and purchases out of CSV files.

Which file and column means what stands in a TOML file, each part optional, several may name the same file:

    [customers]
    file = "people.csv"
    columns = { customer_id = "id", title = "name" }

    [products]
    file = "articles.csv"
    separator = ";"
    columns = { product_id = "sku", title = "name", category_id = "department", colour = "colour" }

A single CSV file of purchases that repeats customer and product in every row (`user_id, name, …, product_id,
category, product_name, …`) needs no TOML: give it itself.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict

from recsys.errors import BadInputError
from recsys.sources import csv_reader, files, rules
from recsys.sources.csv import FileMapping, read_toml
from recsys.sources.rules import Rules, TimestampUnit


class PartMapping(FileMapping):
    """One part's file. For products, columns beyond the known ones are attributes."""

    model_config = ConfigDict(extra="forbid")

    timestamp_unit: TimestampUnit = TimestampUnit.MILLISECONDS


class ShopFiles(BaseModel):
    """The whole TOML file."""

    model_config = ConfigDict(extra="forbid")

    customers: PartMapping | None = None
    categories: PartMapping | None = None
    products: PartMapping | None = None
    purchases: PartMapping | None = None


def _whole(most: int) -> Callable[[str], Rules]:
    def rule(column: str) -> Rules:
        text = pl.col(column)
        number = text.cast(pl.Int64, strict=False)
        return {
            f"not_a_whole_number_{column}": text.is_not_null() & number.is_null(),
            f"out_of_range_{column}": ~number.is_between(0, most),
        }

    return rule


def _number(column: str) -> Rules:
    return rules.number_rules(column, required=False)


def _flag(column: str) -> Rules:
    return {f"not_0_or_1_{column}": ~pl.col(column).is_in(["0", "1"])}


def _optional_id(column: str) -> Rules:
    return rules.optional(rules.id_rules(column))


Field = Callable[[str], Rules]
TEXT = rules.text_rules


@dataclass(frozen=True)
class Part:
    """What a part may hold.

    Attributes:
        ids: fields that each row must have.
        fields: the others, with the rules of their columns.
        usual: what single files of purchases call them.
    """

    ids: tuple[str, ...]
    fields: dict[str, Field]
    usual: dict[str, str]


PARTS = {
    "customers": Part(
        ("customer_id",),
        {"title": TEXT, "gender": TEXT, "age": _whole(150), "location": TEXT, "preference": TEXT},
        {"customer_id": "user_id", "title": "name", "preference": "preferences"},
    ),
    "categories": Part(
        ("category_id",),
        {"title": TEXT, "parent_id": _optional_id, "is_repeatable": _flag},
        {"category_id": "category", "title": "category"},
    ),
    "products": Part(
        ("product_id",),
        {
            "title": TEXT, "description": TEXT, "brand": TEXT, "category_id": _optional_id, "price": _number,
            "stock": _whole(2**31 - 1), "is_available": _flag, "is_hidden": _flag, "recommendation_weight": _number,
            "tags": TEXT,
        },
        {"title": "product_name", "category_id": "category"},
    ),
    "purchases": Part(
        ("customer_id", "product_id"),
        {"order_id": _optional_id, "price": _number, "quantity": _number, "timestamp": lambda column: {}},
        {"customer_id": "user_id"},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class PartRows:
    """One part's rows: text columns under our names; `timestamp_ms` for purchases that have a time.

    Attributes:
        attributes: columns of products that are attributes.
        rejected: `_line`, `_reason` and the file's own columns.
    """

    name: str
    file: str
    accepted: pl.DataFrame
    attributes: list[str]
    rejected: pl.DataFrame | None


def read_shop(path: Path) -> Iterator[PartRows]:
    """All parts that the TOML file names, or that the single CSV file holds. Catalogues fit into memory.

    Raises:
        BadInputError: a file is absent or no CSV, the mapping is not usable, or a needed column is missing.
    """
    if path.suffix == ".toml":
        mapping = read_toml(path, ShopFiles)
        parts = {name: getattr(mapping, name) for name in PARTS if getattr(mapping, name)}
        if not parts:
            raise BadInputError(
                f"{path} names no file.", remedy=f"Add one of {', '.join(f'[{name}]' for name in PARTS)}."
            )
    else:
        found = csv_reader.header(files.at(path))
        usual = {
            name: {own: theirs for own, theirs in part.usual.items() if theirs in found} for name, part in PARTS.items()
        }
        parts = {
            name: PartMapping(file=path.name, columns=usual[name])
            for name, part in PARTS.items()
            if all(usual[name].get(field, field) in found for field in part.ids)
        }
    if not parts:
        raise BadInputError(
            f"{path} tells neither customers, categories, products nor purchases.",
            remedy="Describe the files in a TOML file; docs/sources.md has an example.",
        )
    for name, mapped in parts.items():
        yield _read(name, mapped, path.parent)


def _read(name: str, mapping: PartMapping, folder: Path) -> PartRows:
    part, file = PARTS[name], files.at(folder / mapping.file)
    columns = mapping.names(csv_reader.header(file, mapping.separator), *part.ids, *part.fields)
    extra = [field for field in columns if field not in part.ids and field not in part.fields]
    if extra and name != "products":
        known = ", ".join((*part.ids, *part.fields))
        raise BadInputError(f"[{name}] maps {', '.join(extra)}, which it does not know.", remedy=f"It knows {known}.")
    frame = pl.concat([rows.frame for rows in csv_reader.read(file, mapping.separator)])
    needed = [*(columns.get(field, field) for field in part.ids), *columns.values()]
    if missing := [column for column in dict.fromkeys(needed) if column not in frame.columns]:
        raise BadInputError(
            f"{file.name} lacks the column {', '.join(map(repr, missing))} of [{name}].",
            remedy="Correct the header, or say under `columns` how the file calls it.",
        )
    row_rules = rules.shape_rules()
    for field in part.ids:
        row_rules |= rules.id_rules(columns[field])
    for field, rule in part.fields.items():
        if field in columns:
            row_rules |= rule(columns[field])
    for field in extra:
        row_rules |= rules.text_rules(columns[field])
    output = {field: pl.col(column) for field, column in columns.items() if field != "timestamp"}
    if time := columns.get("timestamp"):
        output["timestamp_ms"] = time_ms = rules.timestamp_ms(time, mapping.timestamp_unit)
        rules.refuse_wrong_timestamps(frame, time, time_ms, file.name)
        row_rules |= rules.timestamp_rules(time, time_ms)
    good, rejected = rules.split(frame, row_rules)
    return PartRows(name, file.name, good.select(**output), extra, rejected)

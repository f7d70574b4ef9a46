"""Any shop's CSV files, described by a small TOML file that says which file is what and which column means what.

    [events]
    file = "orders.csv"                # beside this file; plain, .gz or .zip
    timestamp_unit = "iso"             # or "ms" (default), "s"
    columns = { timestamp = "ordered_at", user_id = "customer", item_id = "sku", order_id = "order_no" }
    event_types = { look = "view" }    # the shop's words; ours (view, add_to_cart, purchase) are always understood
    event_type = "purchase"            # or one word for all rows of a file that has no such column

    [items]                            # optional: one row an item; each column named here becomes a property
    file = "products.csv"
    columns = { item_id = "sku", category_id = "department", price = "list_price", title = "name", brand = "brand" }

    [categories]                       # optional: the tree
    file = "departments.csv"
    columns = { category_id = "id", parent_id = "parent" }

Columns that are called as ours need not be named.
"""

import tomllib
from pathlib import Path
from typing import Literal, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recsys.errors import BadInputError
from recsys.schema import EventType, Property, RawTable
from recsys.sources import csv_reader, files, rules
from recsys.sources.base import Input, Source
from recsys.sources.category_tree import CategoryTreeInput, tree_layout
from recsys.sources.csv_input import CsvInput
from recsys.sources.files import DataFile
from recsys.sources.rules import TimestampUnit
from recsys.sources.table_input import Layout

# What a person writes for our own properties; anything else keeps its name.
PROPERTY_NAMES = {"category_id": Property.CATEGORY}


class FileMapping(BaseModel):
    """What all three kinds of file have in common."""

    model_config = ConfigDict(extra="forbid")

    file: str
    separator: str = Field(",", pattern=r"^[\t !#-~]$", description="One ASCII character, and not the quote.")
    columns: dict[str, str] = {}

    def names(self, found: list[str], *own: str) -> dict[str, str]:
        """The file's column for each of our own: as mapped, else by the same name, if the file has that."""
        same = {name: name for name in own if name in found}
        return same | self.columns


class EventMapping(FileMapping):
    """Files of events."""

    columns: dict[Literal["timestamp", "user_id", "item_id", "event_type", "order_id", "price", "quantity"], str] = {}  # type: ignore[assignment]
    timestamp_unit: TimestampUnit = TimestampUnit.MILLISECONDS
    event_types: dict[str, EventType] = {}
    event_type: EventType | None = None


class ItemMapping(FileMapping):
    """Files of items; with a timestamp column they tell the history of each item."""

    timestamp_unit: TimestampUnit = TimestampUnit.MILLISECONDS


class CategoryMapping(FileMapping):
    """Files of categories."""

    columns: dict[Literal["category_id", "parent_id"], str] = {}  # type: ignore[assignment]


class ShopMapping(BaseModel):
    """The whole TOML file."""

    model_config = ConfigDict(extra="forbid")

    events: EventMapping
    items: ItemMapping | None = None
    categories: CategoryMapping | None = None


class CsvShop(Source):
    """The files that the mapping at `path` describes."""

    name = "csv"

    def __init__(self, path: Path) -> None:
        self.path = path

    def inputs(self) -> list[Input]:
        """Tree, items, events, as far as the mapping names them."""
        mapping = read_toml(self.path, ShopMapping)
        found: list[Input] = []
        if mapping.categories:
            file, columns = self._open(mapping.categories, "category_id", "parent_id")
            layout = tree_layout(
                columns.get("category_id", "category_id"),
                columns.get("parent_id", "parent_id"),
                meaning=mapping.categories.model_dump_json(),
            )
            found.append(CategoryTreeInput(file, layout, separator=mapping.categories.separator))
        if mapping.items:
            file, columns = self._open(mapping.items, "timestamp", "item_id", "category_id", *Property)
            found.append(ItemRows(file, mapping.items, columns))
        own = ("timestamp", "user_id", "item_id", "event_type", "order_id", "price", "quantity")
        file, columns = self._open(mapping.events, *own)
        found.append(CsvInput(file, event_layout(mapping.events, columns), separator=mapping.events.separator))
        return found

    def _open(self, mapping: FileMapping, *own: str) -> tuple[DataFile, dict[str, str]]:
        file = files.at(self.path.parent / mapping.file)
        return file, mapping.names(csv_reader.header(file, mapping.separator), *own)


MappingT = TypeVar("MappingT", bound=BaseModel)


def read_toml(path: Path, kind: type[MappingT]) -> MappingT:
    """Read a TOML file that describes CSV files.

    Raises:
        BadInputError: it is absent, no TOML, or says something else than it may; every wrong entry is named.
    """
    try:
        return kind.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise BadInputError(
            f"{path} cannot be read: {error.strerror}.", remedy="Give the TOML file that describes the shop's files."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(
            f"{path} is not TOML: {error}.",
            remedy="Give the TOML file that describes the CSV files, not one of these; docs/sources.md has an example.",
        ) from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise BadInputError(f"{path}: {problems}.", remedy="See docs/sources.md for what it may say.") from error


def event_layout(mapping: EventMapping, columns: dict[str, str]) -> Layout:
    """`timestamp, user_id, item_id`, the event (unless one word stands for all) and what else there is."""
    at, user, item = (columns.get(name, name) for name in ("timestamp", "user_id", "item_id"))
    time_ms = rules.timestamp_ms(at, mapping.timestamp_unit)
    row_rules = rules.timestamp_rules(at, time_ms) | rules.id_rules(user) | rules.id_rules(item)
    output = {"timestamp_ms": time_ms, "user_id": pl.col(user), "item_id": pl.col(item)}
    needed = [at, user, item]
    if mapping.event_type:
        output["event_type"] = pl.lit(str(mapping.event_type))
    else:
        event = columns.get("event_type", "event_type")
        words = {str(kind): kind for kind in EventType} | mapping.event_types
        row_rules |= rules.event_type_rules(event, words)
        output["event_type"] = pl.col(event).replace_strict(words, return_dtype=pl.String)
        needed.append(event)
    if order := columns.get("order_id"):
        row_rules |= rules.optional(rules.id_rules(order))
        output["order_id"] = pl.col(order)
        needed.append(order)
    for name in ("price", "quantity"):
        if column := columns.get(name):
            row_rules |= rules.number_rules(column, required=False)
            output[name] = pl.col(column).cast(pl.Float32)
            needed.append(column)
    return Layout(RawTable.EVENTS, tuple(needed), row_rules, output, (at, time_ms), meaning=mapping.model_dump_json())


class ItemRows(CsvInput):
    """One row an item (or, with a timestamp, an item's state from then on), one column a property."""

    def __init__(self, file: DataFile, mapping: ItemMapping, columns: dict[str, str]) -> None:
        item = columns.get("item_id", "item_id")
        at = columns.get("timestamp")
        time_ms = rules.timestamp_ms(at, mapping.timestamp_unit) if at else pl.lit(0, pl.Int64)
        self.properties = {
            str(PROPERTY_NAMES.get(name, name)): column
            for name, column in columns.items()
            if name not in {"item_id", "timestamp"}
        }
        row_rules = rules.id_rules(item) | (rules.timestamp_rules(at, time_ms) if at else {})
        for name, column in self.properties.items():
            row_rules |= rules.property_rules(name, column)
        layout = Layout(
            RawTable.ITEM_PROPERTIES,
            (item, *self.properties.values(), *([at] if at else [])),
            row_rules,
            {"timestamp_ms": time_ms, "item_id": pl.col(item)},
            (at, time_ms) if at else None,
            meaning=mapping.model_dump_json(),
        )
        super().__init__(file, layout, separator=mapping.separator)

    def tables_of(self, good: pl.DataFrame) -> dict[RawTable, pl.DataFrame]:
        """A row per property that is not empty."""
        wide = good.select(**self.layout.output, **{name: pl.col(column) for name, column in self.properties.items()})
        long = wide.unpivot(
            on=list(self.properties), index=list(self.layout.output), variable_name="property", value_name="value"
        )
        return {RawTable.ITEM_PROPERTIES: long.drop_nulls("value")}

"""RetailRocket (Kaggle `retailrocket/ecommerce-dataset`): events.csv, item_properties_part1/2.csv, category_tree.csv.

Item properties are hashed except `categoryid` and `available`; property 790 is taken for the price, as its values
(`n15360.000`, an `n` before every number) and their distribution suggest.
"""

from pathlib import Path

import polars as pl

from recsys.errors import BadInputError
from recsys.schema import EventType, Property, RawTable
from recsys.sources import files, rules
from recsys.sources.base import Input, Source
from recsys.sources.category_tree import CategoryTreeInput, tree_layout
from recsys.sources.csv_input import CsvInput
from recsys.sources.rules import TimestampUnit
from recsys.sources.table_input import Layout

EVENT_WORDS = {"view": EventType.VIEW, "addtocart": EventType.ADD_TO_CART, "transaction": EventType.PURCHASE}
PRICE_PROPERTY = "790"


class RetailRocket(Source):
    """A folder with the files (each plain, .gz or .zip), or the zip archive they came in; events.csv must be there."""

    name = "retailrocket"

    def __init__(self, place: Path, unit: TimestampUnit = TimestampUnit.MILLISECONDS) -> None:
        self.place, self.unit = place, unit

    def inputs(self) -> list[Input]:
        """Tree, properties, events, as far as they are there."""
        if not self.place.is_dir() and self.place.suffix != ".zip":
            raise BadInputError(
                f"{self.place} is neither a folder nor a zip archive.", remedy="Give the folder that holds events.csv."
            )
        events = files.find(self.place, "events.csv")
        if events is None:
            raise BadInputError(
                f"{self.place} holds no events.csv, events.csv.gz or events.csv.zip.",
                remedy="Give the folder or archive that holds it.",
            )
        found: list[Input] = []
        if tree := files.find(self.place, "category_tree.csv"):
            found.append(CategoryTreeInput(tree, tree_layout("categoryid", "parentid")))
        for part in ("item_properties_part1.csv", "item_properties_part2.csv"):
            if properties := files.find(self.place, part):
                found.append(CsvInput(properties, property_layout(self.unit)))
        found.append(CsvInput(events, event_layout(self.unit)))
        return found


def event_layout(unit: TimestampUnit) -> Layout:
    """events.csv: timestamp, visitorid, event, itemid, transactionid (empty unless it is a transaction)."""
    time_ms = rules.timestamp_ms("timestamp", unit)
    return Layout(
        RawTable.EVENTS,
        ("timestamp", "visitorid", "event", "itemid", "transactionid"),
        rules.timestamp_rules("timestamp", time_ms)
        | rules.whole_number_id_rules("visitorid")
        | rules.whole_number_id_rules("itemid")
        | rules.event_type_rules("event", EVENT_WORDS)
        | rules.optional(rules.whole_number_id_rules("transactionid")),
        {
            "timestamp_ms": time_ms,
            "user_id": pl.col("visitorid"),
            "item_id": pl.col("itemid"),
            "event_type": pl.col("event").replace_strict(EVENT_WORDS, return_dtype=pl.String),
            "order_id": pl.col("transactionid"),
        },
        ("timestamp", time_ms),
        meaning="" if unit is TimestampUnit.MILLISECONDS else unit,
    )


def property_layout(unit: TimestampUnit) -> Layout:
    """item_properties_part*.csv: timestamp, itemid, property, value."""
    time_ms = rules.timestamp_ms("timestamp", unit)
    name, value = pl.col("property"), pl.col("value")
    is_price = name == PRICE_PROPERTY
    price = value.str.strip_prefix("n").cast(pl.Float64, strict=False)
    return Layout(
        RawTable.ITEM_PROPERTIES,
        ("timestamp", "itemid", "property", "value"),
        rules.timestamp_rules("timestamp", time_ms)
        | rules.whole_number_id_rules("itemid")
        | rules.id_rules("property")
        | {"missing_value": value.is_null()}
        | rules.text_rules("value")
        | {
            "price_is_not_a_number": is_price & ~price.is_between(0, rules.MAX_NUMBER).fill_null(False),
            "available_is_not_0_or_1": (name == Property.AVAILABLE) & ~value.is_in(["0", "1"]),
        },
        {
            "timestamp_ms": time_ms,
            "item_id": pl.col("itemid"),
            "property": pl.when(is_price).then(pl.lit(str(Property.PRICE))).otherwise(name),
            "value": pl.when(is_price).then(value.str.strip_prefix("n")).otherwise(value),
        },
        ("timestamp", time_ms),
        meaning="" if unit is TimestampUnit.MILLISECONDS else unit,
    )

"""UCI Online Retail (Chen 2015, archive.ics.uci.edu/dataset/352): invoices of a British wholesaler, 2010-12 to 2011-12.

Every invoice line of a known customer is a purchase. Unit price and description become the item's price and title from
then on, when they change. There are no views, carts, categories or stock. Times carry no zone and are taken as UTC.
"""

from pathlib import Path

import polars as pl

from recsys.schema import EventType, Property, RawTable
from recsys.sources import files, rules
from recsys.sources.base import Input, Source
from recsys.sources.changes import ChangeTracker
from recsys.sources.csv_input import CsvInput
from recsys.sources.files import DataFile
from recsys.sources.table_input import Layout

# Five digits and perhaps a letter or two for the variant; POST, DOT, M, BANK CHARGES … are not things to recommend.
PRODUCT_CODE = r"^[0-9]{5}[A-Za-z]{0,2}$"


class OnlineRetail(Source):
    """One CSV file (plain, .gz or .zip), with the columns of the original spreadsheet."""

    name = "online_retail"

    def __init__(self, path: Path) -> None:
        self.path = path

    def inputs(self) -> list[Input]:
        """The file; given a folder, online_retail.csv in it."""
        place = self.path
        found = files.find(place, "online_retail.csv") if place.is_dir() else None
        return [InvoiceLines(found or files.at(place))]


class InvoiceLines(CsvInput):
    """Purchases, and the properties they reveal."""

    def __init__(self, file: DataFile) -> None:
        super().__init__(file, invoice_layout(), RawTable.ITEM_PROPERTIES)
        self.tracker = ChangeTracker()

    def tables_of(self, good: pl.DataFrame) -> dict[RawTable, pl.DataFrame]:
        """Each line is an event; changes of price and title are properties."""
        tables = super().tables_of(good)
        revealed = good.select(
            self.layout.output["timestamp_ms"].alias("timestamp_ms"),
            pl.col("StockCode").alias("item_id"),
            pl.col("UnitPrice").alias(Property.PRICE),
            pl.col("Description").str.strip_chars().alias(Property.TITLE),
        ).unpivot(index=["timestamp_ms", "item_id"], variable_name="property", value_name="value")
        return tables | {RawTable.ITEM_PROPERTIES: self.tracker.changes(revealed)}


def invoice_layout() -> Layout:
    """InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID (Country is not needed)."""
    # The second form is that of the original spreadsheet saved as CSV.
    time_ms = rules.iso_ms(pl.col("InvoiceDate"), "%m/%d/%Y %H:%M")
    invoice = pl.col("InvoiceNo")
    return Layout(
        RawTable.EVENTS,
        ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID"),
        rules.timestamp_rules("InvoiceDate", time_ms)
        | {"cancellation": invoice.str.starts_with("C"), "adjustment": invoice.str.starts_with("A")}
        | rules.id_rules("InvoiceNo")
        | rules.id_rules("StockCode")
        | {"not_a_product": ~pl.col("StockCode").str.contains(PRODUCT_CODE)}
        | rules.id_rules("CustomerID")
        | rules.number_rules("Quantity", required=True, positive=True)
        | rules.number_rules("UnitPrice", required=True, positive=True)
        | rules.text_rules("Description"),
        {
            "timestamp_ms": time_ms,
            "user_id": pl.col("CustomerID").str.strip_suffix(".0"),
            "item_id": pl.col("StockCode"),
            "event_type": pl.lit(str(EventType.PURCHASE)),
            "order_id": invoice,
            "price": pl.col("UnitPrice").cast(pl.Float32),
            "quantity": pl.col("Quantity").cast(pl.Float32),
        },
        ("InvoiceDate", time_ms),
    )

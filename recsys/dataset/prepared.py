"""The prepared dataset: the files that step 1 leaves in the object store and every later step reads."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from recsys.schema import Columns
from recsys.storage.object_store import ObjectStore

TIMESTAMP = pl.Datetime("ms", "UTC")

EVENTS = pl.Schema(
    {
        Columns.USER: pl.String(),
        Columns.ITEM: pl.String(),
        Columns.TIMESTAMP: TIMESTAMP,
        Columns.EVENT_TYPE: pl.String(),
        Columns.RATING: pl.Float32(),
        Columns.ORDER: pl.String(),
        Columns.PRICE: pl.Float32(),
        Columns.QUANTITY: pl.Float32(),
        Columns.SESSION: pl.String(),
    }
)
# Followed by `property_<name>` columns, which differ from dataset to dataset.
ITEMS = pl.Schema(
    {
        Columns.ITEM: pl.String(),
        Columns.CATEGORY: pl.String(),
        Columns.PARENT_CATEGORY: pl.String(),
        Columns.IS_AVAILABLE: pl.Boolean(),
        Columns.PRICE: pl.Float32(),
        Columns.TITLE: pl.String(),
    }
)
ITEM_HISTORY = pl.Schema(
    {
        Columns.ITEM: pl.String(),
        Columns.TIMESTAMP: TIMESTAMP,
        Columns.CATEGORY: pl.String(),
        Columns.IS_AVAILABLE: pl.Boolean(),
        Columns.PRICE: pl.Float32(),
    }
)
CATEGORIES = pl.Schema(
    {
        Columns.CATEGORY: pl.String(),
        "parent_id": pl.String(),
        "depth": pl.Int32(),
        "root_id": pl.String(),
        "path": pl.List(pl.String()),
    }
)
FILES = ("events.parquet", "items.parquet", "item_history.parquet", "categories.parquet", "profile.json")


@dataclass(frozen=True)
class PreparedDataset:
    """The files in a local folder; frames are lazy, so a step reads only the columns and rows it asks for."""

    folder: Path
    profile: dict[str, Any]

    @classmethod
    def fetch(cls, store: ObjectStore, prefix: str, folder: Path) -> "PreparedDataset":
        """Download the files below `prefix` (the output of step 1) into `folder`.

        Raises:
            NotReadyError: a file is not there.
        """
        for name in FILES:
            store.download(f"{prefix.rstrip('/')}/{name}", folder / name)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> "PreparedDataset":
        """The files that already are in `folder`."""
        return cls(folder, json.loads((folder / "profile.json").read_text()))

    def upload(self, store: ObjectStore, prefix: str) -> None:
        """Store the files below `prefix`, replacing what an earlier try of the same run left."""
        for name in FILES:
            store.upload(self.folder / name, f"{prefix.rstrip('/')}/{name}")

    @property
    def now(self) -> datetime:
        """The present of this dataset: no event is later."""
        return datetime.fromisoformat(self.profile["now"])

    def events(self) -> pl.LazyFrame:
        """Cleaned events (`EVENTS`), sorted by user and time."""
        return pl.scan_parquet(self.folder / "events.parquet")

    def items(self) -> pl.LazyFrame:
        """One row an item as of `now` (`ITEMS` and `property_*` columns), sorted by item."""
        return pl.scan_parquet(self.folder / "items.parquet")

    def item_history(self) -> pl.LazyFrame:
        """Every change of an item's known state (`ITEM_HISTORY`), sorted by item and time."""
        return pl.scan_parquet(self.folder / "item_history.parquet")

    def categories(self) -> pl.LazyFrame:
        """The category tree with each category's path to its root (`CATEGORIES`)."""
        return pl.scan_parquet(self.folder / "categories.parquet")

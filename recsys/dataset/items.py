"""Items: what is known of each as of now, and what changed when. Nothing said after `now` is used."""

from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from recsys.dataset.prepared import ITEM_HISTORY, ITEMS, TIMESTAMP
from recsys.schema import Columns, Property

_STATE = (Columns.CATEGORY, Columns.IS_AVAILABLE, Columns.PRICE)


class ItemCollector:
    """Takes raw properties chunk by chunk (an item's rows all in one chunk) and writes `item_history.parquet`.

    The latest value of each property waits in files until it is known which properties are common enough for a column.

    Attributes:
        rejected: statements left out, by reason.
        property_shares: share of the described items that have a property; known after `finish`.
        undescribed: items of the events that no property describes; known after `finish`.
    """

    def __init__(self, folder: Path, *, now_ms: int) -> None:
        self.rejected: Counter[str] = Counter()
        self.property_shares: dict[str, float] = {}
        self.undescribed = pl.Series(Columns.ITEM, [], pl.String)
        self._now_ms = now_ms
        self._parts = folder / "latest_properties"
        self._parts.mkdir()
        self._described = 0
        self._items_with: Counter[str] = Counter()
        empty = ITEM_HISTORY.to_frame().to_arrow(compat_level=pl.CompatLevel.oldest())
        self._history = pq.ParquetWriter(folder / "item_history.parquet", empty.schema)
        self._states = [ITEM_HISTORY.to_frame().drop(Columns.TIMESTAMP)]

    def add(self, raw: pl.DataFrame) -> None:
        """Take one chunk of `raw.RAW_PROPERTIES`, sorted by item and time."""
        known = raw.filter(pl.col(Columns.TIMESTAMP_MS) <= self._now_ms)
        if cut := raw.height - known.height:
            self.rejected["after_now"] += cut
        history = self._changes(known)
        self._history.write_table(history.to_arrow(compat_level=pl.CompatLevel.oldest()))
        self._states.append(history.drop(Columns.TIMESTAMP).unique(Columns.ITEM, keep="last"))
        latest = known.drop(Columns.TIMESTAMP_MS).unique([Columns.ITEM, "property"], keep="last", maintain_order=True)
        latest = latest.with_columns(pl.col("value").replace("", None))
        latest.write_parquet(self._parts / f"{self._described:012}.parquet", compression="lz4")
        self._described += latest[Columns.ITEM].n_unique()
        self._items_with.update(dict(latest.drop_nulls("value")["property"].value_counts().iter_rows()))

    def _changes(self, known: pl.DataFrame) -> pl.DataFrame:
        """The full known state of an item after each change of its category, availability or price."""
        named, value = pl.col("property"), pl.col("value")
        price = value.cast(pl.Float32, strict=False)
        said = known.filter(named.is_in([str(Property.CATEGORY), str(Property.AVAILABLE), str(Property.PRICE)])).select(
            Columns.ITEM,
            pl.from_epoch(Columns.TIMESTAMP_MS, "ms").cast(TIMESTAMP).alias(Columns.TIMESTAMP),
            pl.when(named == Property.CATEGORY).then(value).alias(Columns.CATEGORY),
            pl.when(named == Property.AVAILABLE)
            .then(value.replace_strict({"1": True, "0": False}, default=None, return_dtype=pl.Boolean))
            .alias(Columns.IS_AVAILABLE),
            pl.when((named == Property.PRICE) & price.is_finite() & (price >= 0))
            .then(price)
            .when((named == Property.PRICE) & (value == ""))
            .then(float("nan"))
            .alias(Columns.PRICE),
        )
        unusable = said.select(pl.all_horizontal(pl.col(_STATE).is_null()).sum()).item()
        if unusable:
            self.rejected["unusable_value"] += unusable
        state = said.with_columns(pl.col(_STATE).forward_fill().over(Columns.ITEM)).with_columns(
            # An empty value took back what had been said before.
            pl.col(Columns.CATEGORY).replace("", None),
            pl.col(Columns.PRICE).fill_nan(None),
        )
        # Of several statements about one moment the last row knows them all.
        state = state.unique([Columns.ITEM, Columns.TIMESTAMP], keep="last", maintain_order=True)
        changed = pl.any_horizontal(
            pl.col(column).ne_missing(pl.col(column).shift()) for column in (Columns.ITEM, *_STATE)
        )
        return state.filter(changed)

    def finish(self, item_ids: pl.Series, *, min_share: float, assume_available: bool) -> pl.DataFrame:
        """Complete the history and return the catalogue as of now, sorted by item; a catalogue fits into memory.

        Args:
            item_ids: further items that belong to the catalogue (those of the events).
            min_share: share of the described items that must have a property for it to become a column.

        Returns:
            `ITEMS` with an empty parent category, then `property_<name> str` columns by name.
        """
        self._history.close()
        self.property_shares = {name: count / self._described for name, count in sorted(self._items_with.items())}
        common = [
            name for name, share in self.property_shares.items() if name not in set(Property) and share >= min_share
        ]
        columns = {str(Property.TITLE): Columns.TITLE, **{name: f"property_{name}" for name in common}}
        described = pl.concat(
            [ITEMS.to_frame().select(Columns.ITEM)]
            + [_wide(pl.read_parquet(part), columns) for part in sorted(self._parts.iterdir())],
            how="diagonal",
        )
        undescribed = item_ids.alias(Columns.ITEM).to_frame().join(described, on=Columns.ITEM, how="anti")
        self.undescribed = undescribed[Columns.ITEM]
        items = pl.concat([described, undescribed], how="diagonal")
        items = items.join(pl.concat(self._states), on=Columns.ITEM, how="left", validate="1:1")
        missing = [name for name in dict.fromkeys([*ITEMS, *columns.values()]) if name not in items.columns]
        return (
            items.with_columns(pl.lit(None, pl.String).alias(name) for name in missing)
            .with_columns(pl.col(Columns.IS_AVAILABLE).fill_null(assume_available))
            .select(*ITEMS, *(name for name in columns.values() if name != Columns.TITLE))
            .sort(Columns.ITEM)
        )


def _wide(latest: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
    """One row an item; the chosen properties as columns."""
    wanted = latest.filter(pl.col("property").is_in(list(columns)))
    values = wanted.pivot("property", index=Columns.ITEM, values="value").rename(columns, strict=False)
    return latest.select(Columns.ITEM).unique(maintain_order=True).join(values, on=Columns.ITEM, how="left")

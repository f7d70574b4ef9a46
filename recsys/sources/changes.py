"""Item properties told only when they change: sales carry a price and a title in every row, most of them known."""

import polars as pl


class ChangeTracker:
    """Remembers the last value of each item's property, over all chunks of a time-sorted input."""

    def __init__(self) -> None:
        self._last = pl.DataFrame(schema={"item_id": pl.String, "property": pl.String, "before": pl.String})

    def changes(self, states: pl.DataFrame) -> pl.DataFrame:
        """The rows that say something new.

        Args:
            states: `timestamp_ms, item_id, property, value`, in the order of time; rows without a value are left out.
        """
        told = states.drop_nulls("value").join(
            self._last, on=["item_id", "property"], how="left", maintain_order="left"
        )
        group = ["item_id", "property"]
        previous = pl.col("value").shift(1).over(group)
        known = pl.coalesce(previous, pl.col("before"))
        news = told.filter(pl.col("value").ne_missing(known)).drop("before")
        newest = told.group_by(group).agg(pl.col("value").last().alias("before"))
        self._last = self._last.update(newest, on=group, how="full")
        return news

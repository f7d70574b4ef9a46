"""Events, cleaned: broken, future and repeated rows counted and left out, ratings given, sessions marked."""

from collections import Counter
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from recsys.dataset.prepared import EVENTS, TIMESTAMP
from recsys.schema import Columns, EventType


class EventCleaner:
    """Takes raw events chunk by chunk (a user's events all in one chunk) and writes `events.parquet`.

    Attributes:
        rejected: rows left out, by reason.
        items: the ids of all items met so far.
    """

    def __init__(self, path: Path, *, weights: dict[str, float], now_ms: int, session_gap_minutes: int) -> None:
        self.rejected: Counter[str] = Counter()
        self.items = pl.Series(Columns.ITEM, [], pl.String)
        self._weights, self._now_ms, self._gap_ms = weights, now_ms, session_gap_minutes * 60_000
        self._writer = pq.ParquetWriter(path, _arrow(EVENTS.to_frame()).schema)

    def add(self, raw: pl.DataFrame) -> None:
        """Clean one chunk of `raw.RAW_EVENTS`, sorted by user and time, and write it."""
        good = self._accepted(raw)
        events = (
            good.with_columns(
                pl.from_epoch(Columns.TIMESTAMP_MS, "ms").cast(TIMESTAMP).alias(Columns.TIMESTAMP),
                # Floating point: 8-bit integers would wrap in sums and cut a weight of 0.1 to 0.
                pl.col(Columns.EVENT_TYPE)
                .replace_strict(self._weights, return_dtype=pl.Float32)
                .alias(Columns.RATING),
                _sessions(self._gap_ms).alias(Columns.SESSION),
            )
            .select(EVENTS.names())
        )  # fmt: skip
        self.items = pl.concat([self.items, events[Columns.ITEM]]).unique()
        self._writer.write_table(_arrow(events))

    def finish(self) -> None:
        """Complete the file."""
        self._writer.close()

    def _accepted(self, raw: pl.DataFrame) -> pl.DataFrame:
        broken = {
            "missing_user_id": pl.col(Columns.USER).fill_null("") == "",
            "missing_item_id": pl.col(Columns.ITEM).fill_null("") == "",
            "no_interest": pl.col(Columns.EVENT_TYPE).is_in(list(set(EventType) - set(self._weights))),
            "unknown_event_type": ~pl.col(Columns.EVENT_TYPE).is_in(list(self._weights)).fill_null(False),
            "after_now": pl.col(Columns.TIMESTAMP_MS) > self._now_ms,
        }
        reason = pl.coalesce(pl.when(condition).then(pl.lit(name)) for name, condition in broken.items())
        marked = raw.with_columns(reason.alias("reason"))
        self.rejected.update(dict(marked["reason"].drop_nulls().value_counts().iter_rows()))
        valid = marked.filter(pl.col("reason").is_null()).drop("reason")
        distinct = valid.unique(maintain_order=True)
        if repeated := valid.height - distinct.height:
            self.rejected["duplicate"] += repeated
        return distinct


def _sessions(gap_ms: int) -> pl.Expr:
    """The shop's own session id; else the user's id and the time at which a session began, stable over runs."""
    time = pl.col(Columns.TIMESTAMP_MS)
    same_user = pl.col(Columns.USER) == pl.col(Columns.USER).shift()
    starts = ~(same_user & (time - time.shift() <= gap_ms)).fill_null(False)
    began = pl.when(starts).then(time).forward_fill()
    return pl.coalesce(Columns.SESSION, pl.format("{}:{}", Columns.USER, began))


def _arrow(frame: pl.DataFrame) -> "pq.pa.Table":
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())

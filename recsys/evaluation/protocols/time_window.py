"""A cut at one moment for everybody: what came before it is known, what the window after it holds is asked for."""

from datetime import datetime, timedelta
from typing import ClassVar

import polars as pl

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side, Split, pairs
from recsys.schema import Columns, EventType

# A window takes at most this share of the time before its end, so that young data leave something to learn from.
_MAX_SHARE = 0.2


class TimeWindow(Protocol):
    """The newest window is the test, the one before it is for validation."""

    name: ClassVar[str] = "time"

    def __init__(
        self, *, window_days: float = 14.0, min_items: int = 1, max_users: int = 1_000_000, seed: int = 42
    ) -> None:
        """See `split_by_time`."""
        self.window_days, self.min_items, self.max_users, self.seed = window_days, min_items, max_users, seed

    def _cut(self, data: EvaluationData, side: Side) -> Split:
        start, end = window(data.interactions, self.window_days, side)
        return split_by_time(
            data.interactions, start, end, min_items=self.min_items, max_users=self.max_users, seed=self.seed
        )


def window(events: pl.DataFrame, days: float, side: Side) -> tuple[datetime, datetime]:
    """Begin (not included) and end of a side's window."""
    end: datetime = events[Columns.TIMESTAMP].max()  # type: ignore[assignment]
    start = window_start(events, end, days)
    if side is Side.VALIDATION:
        end, start = start, window_start(events, start, days)
    return start, end


def window_start(events: pl.DataFrame, until: datetime, days: float) -> datetime:
    """Where a window of so many days that ends at `until` begins; later if the events do not reach back far enough."""
    first = events[Columns.TIMESTAMP].min()
    span = until - first if isinstance(first, datetime) else timedelta(0)
    return until - min(timedelta(days=days), span * _MAX_SHARE)


def split_by_time(
    events: pl.DataFrame, cut: datetime, until: datetime, *, min_items: int, max_users: int, seed: int
) -> Split:
    """Cut events at a moment.

    What a user had bought before the cut is excluded and not in the truth: lists never hold it, so it is not held
    against them.

    Args:
        events: prepared events; `user_id, item_id, timestamp, event_type, rating` are needed.
        until: end of the window, included.
        min_items: users with fewer distinct items before the cut are left out. Their past decides, never the window.
        max_users: take a random sample of this many users at most.

    Returns:
        A split whose truth has a third column, `rating`: the sum over the window.
    """
    history = events.filter(pl.col(Columns.TIMESTAMP) <= cut)
    events_after = events.filter((pl.col(Columns.TIMESTAMP) > cut) & (pl.col(Columns.TIMESTAMP) <= until))
    truth = events_after.group_by(Columns.USER, Columns.ITEM).agg(pl.col(Columns.RATING).sum())
    past = history.join(truth, on=Columns.USER, how="semi")
    cold = pairs(truth.join(past, on=Columns.USER, how="anti"))
    truth = truth.join(with_items(past, min_items), on=Columns.USER, how="semi")
    truth = truth.join(purchases(past), on=[Columns.USER, Columns.ITEM], how="anti")
    users = truth.select(Columns.USER).unique().sort(Columns.USER)
    if users.height > max_users:
        truth = truth.join(users.sample(max_users, seed=seed), on=Columns.USER, how="semi")
    past = past.join(truth, on=Columns.USER, how="semi")
    return Split(cut, history, past, truth.sort(Columns.USER, Columns.ITEM), purchases(past), cold)


def with_items(events: pl.DataFrame, min_items: int) -> pl.DataFrame:
    """The users (one column, sorted) who have at least so many distinct items."""
    counts = events.group_by(Columns.USER).agg(items=pl.col(Columns.ITEM).n_unique())
    return counts.filter(pl.col("items") >= min_items).select(Columns.USER).sort(Columns.USER)


def purchases(events: pl.DataFrame) -> pl.DataFrame:
    """The pairs `user_id, item_id` that were bought, each once."""
    bought = events.filter(pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE)
    return bought.select(Columns.USER, Columns.ITEM).unique()

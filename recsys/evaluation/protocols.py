"""How interactions are cut into what a model may see and what it is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from recsys.evaluation.metrics import Evaluation, evaluate, parse_metric
from recsys.models.base import Recommender
from recsys.schema import Columns, EventType

# A window takes at most this share of the time before its end, so that young data leave something to learn from.
_MAX_SHARE = 0.2


@dataclass(frozen=True)
class TimeSplit:
    """What happened until a moment, and what the same users did in the window after it.

    Attributes:
        cut: the moment; nothing in `history` is later.
        history: all events up to the cut, in the columns they came in.
        truth: `user_id, item_id, rating`: what users with a history did in the window, a pair once, its ratings summed.
            What a user had bought before the cut is left out: lists never hold it, so it is not held against them.
    """

    cut: datetime
    history: pl.DataFrame
    truth: pl.DataFrame

    def past(self) -> pl.DataFrame:
        """The history of the users to be judged."""
        return self.history.join(self.truth, on=Columns.USER, how="semi")


def window_start(events: pl.DataFrame, until: datetime, days: float) -> datetime:
    """Where a window of so many days that ends at `until` begins; later if the events do not reach back far enough."""
    first = events[Columns.TIMESTAMP].min()
    span = until - first if isinstance(first, datetime) else timedelta(0)
    return until - min(timedelta(days=days), span * _MAX_SHARE)


def split_by_time(
    events: pl.DataFrame, cut: datetime, until: datetime, *, min_items: int, max_users: int, seed: int
) -> TimeSplit:
    """Cut events at a moment.

    Args:
        events: prepared events; `user_id, item_id, timestamp, event_type, rating` are needed.
        until: end of the window, included.
        min_items: users with fewer distinct items before the cut are left out. Their past decides, never the window.
        max_users: take a random sample of this many users at most.
    """
    history = events.filter(pl.col(Columns.TIMESTAMP) <= cut)
    window = events.filter((pl.col(Columns.TIMESTAMP) > cut) & (pl.col(Columns.TIMESTAMP) <= until))
    truth = window.group_by(Columns.USER, Columns.ITEM).agg(pl.col(Columns.RATING).sum())
    past = history.join(truth, on=Columns.USER, how="semi")
    truth = truth.join(with_items(past, min_items), on=Columns.USER, how="semi")
    truth = truth.join(purchases(past), on=[Columns.USER, Columns.ITEM], how="anti")
    users = truth.select(Columns.USER).unique().sort(Columns.USER)
    if users.height > max_users:
        truth = truth.join(users.sample(max_users, seed=seed), on=Columns.USER, how="semi")
    return TimeSplit(cut, history, truth.sort(Columns.USER, Columns.ITEM))


def judge(model: Recommender, split: TimeSplit, metrics: Sequence[str]) -> Evaluation:
    """Rank the model's full catalogue for the users of a split, without what they had bought, and measure the lists."""
    past = split.past()
    depth = max(parse_metric(name)[1] for name in metrics)
    return evaluate(model.recommend(past, depth, exclude=purchases(past)), split.truth, metrics)


def with_items(events: pl.DataFrame, min_items: int) -> pl.DataFrame:
    """The users (one column, sorted) who have at least so many distinct items."""
    counts = events.group_by(Columns.USER).agg(items=pl.col(Columns.ITEM).n_unique())
    return counts.filter(pl.col("items") >= min_items).select(Columns.USER).sort(Columns.USER)


def purchases(events: pl.DataFrame) -> pl.DataFrame:
    """The pairs `user_id, item_id` that were bought, each once."""
    bought = events.filter(pl.col(Columns.EVENT_TYPE) == EventType.PURCHASE)
    return bought.select(Columns.USER, Columns.ITEM).unique()

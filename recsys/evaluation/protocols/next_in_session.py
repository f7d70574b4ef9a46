"""The next item of a session, asked for after each of its steps (Ludewig and Jannach 2018, iterative revealing).

Models see sessions in the place of users: `user_id` is a session in the history, and a session and its step where it is
judged. A step is a turn to another item: what is seen, put into the cart and bought at once is one step.
"""

from typing import ClassVar

import polars as pl

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side, Split, pairs
from recsys.evaluation.protocols.time_window import window
from recsys.models.base import INTERACTIONS
from recsys.schema import Columns

LONGEST_PAST = 20  # steps of a session that a model is given


class NextInSession(Protocol):
    """Judged by the sessions that begin in the window; intervals are by session."""

    name: ClassVar[str] = "session"

    def __init__(self, *, window_days: float = 14.0, max_users: int = 20_000, seed: int = 42) -> None:
        """`max_users`: a random sample of this many sessions at most."""
        self.window_days, self.max_users, self.seed = window_days, max_users, seed

    def _cut(self, data: EvaluationData, side: Side) -> Split:
        start, end = window(data.interactions, self.window_days, side)
        by_session = data.interactions.with_columns(pl.col(Columns.SESSION).alias(Columns.USER)).select(
            INTERACTIONS.names()
        )
        began = pl.col(Columns.TIMESTAMP).min().over(Columns.USER)
        judged = by_session.filter((began > start) & (pl.col(Columns.TIMESTAMP) <= end))
        steps = self._sampled(_steps(judged))
        cases = steps.filter(pl.col("step") > 0).with_columns(
            pl.format("{} step {}", Columns.USER, "step").alias("case"),
            pl.int_ranges((pl.col("step") - LONGEST_PAST).clip(0), pl.col("step")).alias("before"),
        )
        past = (
            cases.select(Columns.USER, "case", pl.col("before").alias("step"))
            .explode("step")
            .join(steps, on=[Columns.USER, "step"])
            .with_columns(pl.col("case").alias(Columns.USER))
        )
        last = past.group_by(Columns.USER).agg(pl.col(Columns.ITEM).sort_by("step").last())
        return Split(
            start,
            by_session.filter(pl.col(Columns.TIMESTAMP) <= start),
            past.select(INTERACTIONS.names()),
            truth=pairs(cases.select(pl.col("case").alias(Columns.USER), Columns.ITEM)),
            exclude=pairs(last),
            groups=cases.select(pl.col("case").alias(Columns.USER), pl.col(Columns.USER).alias("group")),
        )

    def _sampled(self, steps: pl.DataFrame) -> pl.DataFrame:
        sessions = steps.filter(pl.col("step") > 0).select(Columns.USER).unique().sort(Columns.USER)
        if sessions.height > self.max_users:
            sessions = sessions.sample(self.max_users, seed=self.seed)
        return steps.join(sessions, on=Columns.USER, how="semi", maintain_order="left")


def _steps(events: pl.DataFrame) -> pl.DataFrame:
    """The events that turn to another item, numbered from 0 in each session as `step`."""
    ordered = events.sort(Columns.USER, Columns.TIMESTAMP, maintain_order=True)
    moved = pl.col(Columns.ITEM).ne_missing(pl.col(Columns.ITEM).shift().over(Columns.USER))
    return ordered.filter(moved).with_columns(pl.int_range(pl.len()).over(Columns.USER).alias("step"))

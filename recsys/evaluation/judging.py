"""A model before a split: its lists for the users of the split, measured, some users at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import polars as pl

from recsys.errors import IntegrityError
from recsys.evaluation.metrics import Evaluation, evaluate, parse_metric
from recsys.evaluation.protocols.base import Split
from recsys.models.base import RECOMMENDATIONS
from recsys.schema import Columns

# Users who are scored at a time: bounds the memory for histories and lists, whatever the number of users.
USERS_AT_A_TIME = 10_000


class Judged(Protocol):
    """What is asked of whoever is judged: the part of `recsys.models.base.Recommender` that makes lists."""

    @property
    def name(self) -> str: ...

    def describe(self, items: pl.DataFrame) -> Any: ...

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Any: ...

    def recommend(self, histories: pl.DataFrame, k: int, *, exclude: pl.DataFrame | None = None) -> pl.DataFrame: ...


@dataclass(frozen=True)
class Lists:
    """The lists of some users.

    Attributes:
        users: one column, sorted: who was asked for.
        past: what they are known by.
        truth: what they did next.
        items: `user_id, item_id, score, rank`.
        seconds: how long the model took.
    """

    users: pl.DataFrame
    past: pl.DataFrame
    truth: pl.DataFrame
    items: pl.DataFrame
    seconds: float


def judge(model: Judged, split: Split, metrics: Sequence[str]) -> Evaluation:
    """Rank the model's full catalogue for the users of a split, without what is excluded, and measure the lists."""
    depth = max(parse_metric(name)[1] for name in metrics)
    nobody = evaluate(RECOMMENDATIONS.to_frame(), split.truth.clear(), metrics).per_user
    parts = [evaluate(lists.items, lists.truth, metrics).per_user for lists in lists_of(model, split, depth)]
    return Evaluation.of(pl.concat([nobody, *parts]))


def lists_of(model: Judged, split: Split, depth: int) -> Iterator[Lists]:
    """The model's lists, one item longer than `depth` so that ties at the end show, for a chunk of users at a time.

    Raises:
        NotReadyError: the model has not been fitted.
        IntegrityError: a score is NaN or infinite.
    """
    users = split.truth.select(Columns.USER).unique().sort(Columns.USER)
    parts = zip(*(_by_chunk(frame, users) for frame in (users, split.past, split.exclude, split.truth)), strict=True)
    for chunk, past, exclude, truth in parts:
        started = time.monotonic()
        items = model.recommend(past, depth + 1, exclude=exclude)
        seconds = time.monotonic() - started
        if not items[Columns.SCORE].is_finite().all():
            raise IntegrityError(
                f"The model {model.name!r} gave scores that are NaN or infinite.",
                remedy="Its factors are damaged: fit it again, with more regularization if it has any.",
            )
        yield Lists(chunk, past, truth, items, seconds)


def _by_chunk(frame: pl.DataFrame, users: pl.DataFrame) -> list[pl.DataFrame]:
    """The rows of each chunk of users: cut once, as looking for each chunk's rows would go over all rows many times."""
    chunks = -(-users.height // USERS_AT_A_TIME)
    numbered = users.with_row_index("chunk").with_columns(pl.col("chunk") // USERS_AT_A_TIME)
    parts = frame.join(numbered, on=Columns.USER, maintain_order="left").partition_by(
        "chunk", as_dict=True, include_key=False
    )
    return [parts.get((number,), frame.clear()) for number in range(chunks)]

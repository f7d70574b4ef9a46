"""What was found of one model."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from recsys.evaluation.bootstrap import interval


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences, and its 95 % interval."""

    mean: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class ModelResult:
    """What was found of one model.

    Attributes:
        per_user: `user_id` and a column for each metric that is a mean over users; null where a user has no value.
        coverage: metrics of all lists together, which have no interval.
        resampled: the means of those columns in each resample, in their order.
        segments: by segment, rows like those of `per_user`.
        fit_s, score_s: seconds.
        peak_memory_mb: the most the process held while fitting and scoring; None if the system does not tell.
    """

    per_user: pl.DataFrame
    coverage: dict[str, float]
    resampled: np.ndarray
    segments: dict[str, pl.DataFrame]
    fit_s: float
    score_s: float
    peak_memory_mb: float | None

    @cached_property
    def values(self) -> dict[str, float]:
        """Every metric's value, by its name."""
        return means(self.per_user) | self.coverage

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95 % interval of each metric that is a mean over users."""
        return bounds(self.per_user.columns[1:], self.resampled)

    def of_segment(self, segment: str, metric: str) -> float:
        """A metric's value in a segment; NaN where it has none: of cold users and new items only hits are measured."""
        rows = self.segments[segment]
        return means(rows)[metric] if metric in rows.columns else math.nan

    def difference(self, other: "ModelResult") -> dict[str, "Difference"]:
        """By metric, how much better this one is than another on the same users: the mean and its 95 % interval."""
        ours, theirs = means(self.per_user), means(other.per_user)
        found = bounds(self.per_user.columns[1:], self.resampled - other.resampled)
        return {name: Difference(ours[name] - theirs[name], found[name]) for name in ours}

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON; a number that does not exist is null."""
        flat = self.values | {"fit_s": round(self.fit_s, 3), "score_s": round(self.score_s, 3)}
        if self.peak_memory_mb is not None:
            flat["peak_memory_mb"] = round(self.peak_memory_mb, 1)
        return flat | {
            "users": self.per_user.height,
            "intervals": self.intervals,
            "segments": {name: {"users": rows.height} | means(rows) for name, rows in self.segments.items()},
        }


def means(per_user: pl.DataFrame) -> dict[str, float]:
    """The mean of each metric; NaN where no user has a value."""
    row = per_user.select(pl.col(per_user.columns[1:]).mean()).row(0, named=True)
    return {name: math.nan if value is None else float(value) for name, value in row.items()}


def bounds(names: list[str], resampled: np.ndarray) -> dict[str, tuple[float, float]]:
    """The interval of each column, by name."""
    low, high = interval(resampled)
    return {name: (float(low[at]), float(high[at])) for at, name in enumerate(names)}

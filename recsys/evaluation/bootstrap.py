"""Intervals by the bootstrap over users (Efron and Tibshirani 1993, the percentile interval)."""

import numpy as np
import polars as pl

from recsys.schema import Columns

RESAMPLES = 1_000
LEVEL = 0.95
_CELLS_AT_A_TIME = 4_000_000  # weights held at a time; 8 bytes each


class Bootstrap:
    """The same resamples of the same users for whatever is asked, so that differences between models are paired."""

    def __init__(self, users: pl.DataFrame, groups: pl.DataFrame | None = None, *, seed: int = 42) -> None:
        """Args:
        users: `user_id`, in the order in which values will be given.
        groups: `user_id, group`: users who are drawn together; None draws each alone.
        """
        self._seed = seed
        if groups is None:
            self._group = np.arange(users.height)
        else:
            joined = users.join(groups, on=Columns.USER, how="left", maintain_order="left")
            self._group = joined["group"].rank("dense").to_numpy().astype(np.int64) - 1
        self._groups = int(self._group.max()) + 1 if len(self._group) else 0

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each column in each resample: shape (RESAMPLES, columns).

        Args:
            values: a row a user; NaN where a user has no value, who then does not count.
        """
        known = ~np.isnan(values)
        sums = self._by_group(np.where(known, values, 0.0))
        counts = self._by_group(known.astype(np.float64))
        random = np.random.default_rng(self._seed)
        means = []
        step = max(1, _CELLS_AT_A_TIME // max(self._groups, 1))
        for start in range(0, RESAMPLES, step):
            size = min(step, RESAMPLES - start)
            drawn = random.integers(0, self._groups, (size, self._groups)) + np.arange(size)[:, None] * self._groups
            weights = np.bincount(drawn.ravel(), minlength=size * self._groups).reshape(size, -1).astype(np.float64)
            with np.errstate(invalid="ignore"):
                means.append((weights @ sums) / (weights @ counts))
        return np.concatenate(means)

    def _by_group(self, values: np.ndarray) -> np.ndarray:
        totals = np.zeros((self._groups, values.shape[1]))
        np.add.at(totals, self._group, values)
        return totals


def interval(means: np.ndarray) -> np.ndarray:
    """Lower and upper bound of each column of what `Bootstrap.means` gave, or of the difference of two of these.

    A column that no user has a value for has NaN bounds.
    """
    tail = (1 - LEVEL) / 2
    return np.quantile(means, (tail, 1 - tail), axis=0)

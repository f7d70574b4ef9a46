"""A plot of what the ranker goes by."""

from typing import TYPE_CHECKING

import numpy as np

from recsys.ranking.ranker import Ranker

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROWS, _FEATURES = 2_000, 20


def shap_plot(ranker: Ranker, features: list[str], matrix: np.ndarray) -> "Figure":
    """A dot a candidate and feature: to the right it speaks for the candidate; red is a high value, grey unknown.

    Features with most influence (mean of the absolute SHAP value) come first; at most 2,000 rows are drawn.
    """
    # Takes half a second to import, which only training should pay.
    from matplotlib.figure import Figure

    random = np.random.default_rng(0)
    rows = matrix[np.sort(random.choice(len(matrix), min(_ROWS, len(matrix)), replace=False))]
    shap = ranker.shap_values(rows)
    influence = np.abs(shap).mean(axis=0)
    shown = np.argsort(-influence)[:_FEATURES][::-1]
    figure = Figure(figsize=(8, 0.3 * len(shown) + 1.2), layout="constrained")
    axis = figure.subplots()
    for place, column in enumerate(shown):
        height = place + random.uniform(-0.3, 0.3, len(rows))
        level = _level(rows[:, column])
        unknown = np.isnan(level)
        axis.scatter(shap[unknown, column], height[unknown], c="0.7", s=3, lw=0)
        axis.scatter(shap[~unknown, column], height[~unknown], c=level[~unknown], cmap="coolwarm", s=3, lw=0)
    axis.axvline(0, color="0.6", lw=0.8, zorder=0)
    axis.set_yticks(range(len(shown)), [f"{features[column]}  {influence[column]:.2f}" for column in shown])
    axis.set(xlabel="SHAP value: change of the log-odds", title="What the ranker goes by")
    return figure


def _level(values: np.ndarray) -> np.ndarray:
    """Where each value stands among all, from 0 to 1; NaN stays NaN."""
    distinct, place = np.unique(values, return_inverse=True)
    level = place / max(1, len(distinct) - 1)
    return np.where(np.isnan(values), np.nan, level)

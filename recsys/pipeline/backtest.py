"""The two stages replayed on past windows: would the ranked lists have been better than those they were chosen from?

One window judges too few users of a small shop. So training and judging are repeated, each time one gate's window
further back and with nothing known of what came later, and the users of all windows are judged together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from recsys.evaluation.bootstrap import Bootstrap, interval
from recsys.evaluation.protocols.time_window import window_start, with_items
from recsys.models.id_map import IdMap
from recsys.ranking.candidates import SOURCES, best_of_each
from recsys.ranking.comparison import CANDIDATES, CEILING, compare
from recsys.ranking.examples import examples
from recsys.ranking.facts import UserFacts
from recsys.ranking.order import ListOrder
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay, Shop, past_replays
from recsys.ranking.scenes import scenes
from recsys.schema import Columns
from recsys.settings import PipelineSettings, RankerSettings

METRICS = ("ndcg@10", "recall@10")
RANKED, BY_SCORE = "ranked", "ranked_by_score"  # as served, and without diversity, caps and discovery
_SHOWN = 10


@dataclass(frozen=True)
class Backtest:
    """What several windows showed together.

    Attributes:
        users: how many were judged, a user once a window.
        values: metrics by list; `candidates` has the recall that no order of them can surpass.
        gains: by metric, the ranked list over the best single source: `source`, `relative`, and the 95 % interval
            `low`, `high` of the paired difference.
        coverage: distinct items in the first ten of everybody's list, a mean over the windows.
    """

    windows: int
    users: int
    values: dict[str, dict[str, float]]
    gains: dict[str, dict[str, Any]]
    coverage: dict[str, float]


def backtest(shop: Shop, now: datetime, settings: PipelineSettings, windows: int, *, skip: int = 0) -> Backtest:
    """Judge the ranker on `windows` windows as long as the gate's, the newest first.

    Args:
        skip: newest windows left alone; what is chosen by the older ones is then judged on these.

    Raises:
        BadInputError: before some window nobody acted on any candidate.
    """
    plain = settings.model_copy(
        update={"ranker": settings.ranker.model_copy(update={"diversity": 0, "category_cap": None, "discovery": 0})}
    )
    judged: dict[str, list[pl.DataFrame]] = {}
    shown: dict[str, list[int]] = {}
    for start, end in _windows(shop, now, settings.gate.window_days, windows, skip):
        rows = examples(past_replays(shop, start, settings), settings.ranker)
        ranker = Ranker(settings.ranker).fit(rows.features, rows.matrix, rows.labels, rows.weights)
        at = Replay.of(shop, start, end, settings, settings.gate.max_users)
        results = compare({RANKED: ranker}, at, METRICS)
        at.settings = plain.ranker
        results[BY_SCORE] = compare({RANKED: ranker}, at, METRICS)[RANKED]
        for name, evaluation in results.items():
            judged.setdefault(name, []).append(evaluation.per_user)
        for name, count in _coverage(ranker, at, shop, settings, plain.ranker).items():
            shown.setdefault(name, []).append(count)
    pooled = {name: pl.concat(parts) for name, parts in judged.items()}
    ceiling = pooled.pop(CANDIDATES)
    values = {name: {metric: _mean(frame[metric]) for metric in METRICS} for name, frame in pooled.items()}
    values[CANDIDATES] = {CEILING: _mean(ceiling[CEILING])}
    gains = {metric: _gain(pooled, values, metric) for metric in METRICS}
    coverage = {name: float(np.mean(counts)) for name, counts in shown.items()}
    return Backtest(windows, pooled[RANKED].height, values, gains, coverage)


def _windows(shop: Shop, now: datetime, days: float, windows: int, skip: int) -> Iterator[tuple[datetime, datetime]]:
    end = now
    for place in range(skip + windows):
        start = window_start(shop.events.filter(pl.col(Columns.TIMESTAMP) <= end), end, days)
        if place >= skip:
            yield start, end
        end = start


def _gain(pooled: dict[str, pl.DataFrame], values: dict[str, dict[str, float]], metric: str) -> dict[str, Any]:
    best = max(SOURCES.values(), key=lambda source: values[source][metric])
    difference = (pooled[RANKED][metric] - pooled[best][metric]).to_numpy()[:, None]
    # A user of several windows is drawn with all of them.
    users = pooled[RANKED].select(Columns.USER)
    groups = users.unique().with_columns(group=pl.col(Columns.USER))
    low, high = interval(Bootstrap(users, groups).means(difference)).ravel()
    relative = values[RANKED][metric] / values[best][metric] - 1 if values[best][metric] else float("nan")
    return {"source": best, "relative": relative, "low": float(low), "high": float(high)}


def _coverage(
    ranker: Ranker, at: Replay, shop: Shop, settings: PipelineSettings, plain: RankerSettings
) -> dict[str, int]:
    """Distinct items in the first ten of all users with a history, not only of those who came back."""
    past = shop.events.filter(pl.col(Columns.TIMESTAMP) <= at.items.now)
    users = IdMap(with_items(past, settings.i2i.min_items)[Columns.USER])
    lists: dict[str, list[np.ndarray]] = {}
    orders = {RANKED: ListOrder(at.items, settings.ranker), BY_SCORE: ListOrder(at.items, plain)}
    for scene in scenes(at.items, UserFacts(shop.events, users, at.items), at.source, settings.ranker):
        candidates, scores = scene.candidates, ranker.score(scene.features, scene.matrix)
        for name, order in orders.items():
            best, ranks, _ = order.best(candidates, scores, settings.ranker.size)
            lists.setdefault(name, []).append(candidates.items[best[ranks <= _SHOWN]])
        for row, source in enumerate(SOURCES.values()):
            best, _ = best_of_each(candidates.users, -candidates.ranks[row], _SHOWN)
            lists.setdefault(source, []).append(candidates.items[best])
    return {name: len(set(np.concatenate(parts).tolist())) for name, parts in lists.items()}


def _mean(values: pl.Series) -> float:
    return float(values.mean() or 0.0)  # type: ignore[arg-type]

"""The two stages replayed on past windows: would the ranked lists have been better than those they were chosen from?

One window judges too few users of a small shop. So training and judging are repeated, each time one gate's window
further back and with nothing known of what came later, and the users of all windows are judged together.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from recsys.evaluation.bootstrap import Bootstrap
from recsys.evaluation.metrics import evaluate, parse_metric
from recsys.evaluation.protocols.time_window import window_start, with_items
from recsys.evaluation.report import EvaluationReport
from recsys.evaluation.result import ModelResult, means
from recsys.models.id_map import IdMap
from recsys.ranking.candidates import SOURCES, best_of_each
from recsys.ranking.comparison import CANDIDATES, CEILING
from recsys.ranking.examples import examples
from recsys.ranking.facts import UserFacts
from recsys.ranking.order import ListOrder
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay, Shop, past_replays
from recsys.ranking.scenes import scenes
from recsys.schema import Columns
from recsys.settings import PipelineSettings

METRICS = tuple(f"{metric}@10" for metric in ("ndcg", "recall", "hit_rate", "precision", "map", "mrr"))
RANKED, BY_SCORE = "ranked", "ranked_by_score"  # as served, and without diversity, caps and discovery
# Of all lists together: distinct items in the first ten of everybody with a history, a mean over the windows; and what
# the recall of no order of the candidates can surpass.
ITEMS_SHOWN, CANDIDATES_RECALL = "items_shown@10", "candidates_recall@300"
_PAGE = 10


def backtest(
    dataset: str, shop: Shop, now: datetime, settings: PipelineSettings, windows: int, *, skip: int = 0
) -> EvaluationReport:
    """Judge the ranker on `windows` windows as long as the gate's, the newest first.

    The report has the lists `ranked` and `ranked_by_score` and each source's, with `METRICS` and `ITEMS_SHOWN`; a user
    who came back in several windows is judged in each, and drawn with all of them for the intervals.

    Args:
        dataset: what the report calls the data.
        skip: newest windows left alone; what is chosen by the older ones is then judged on these.

    Raises:
        BadInputError: before some window nobody acted on any candidate.
    """
    judged: dict[str, list[pl.DataFrame]] = {}
    shown: dict[str, list[int]] = {}
    for start, end in _windows(shop, now, settings.gate.window_days, windows, skip):
        rows = examples(past_replays(shop, start, settings), settings.ranker)
        ranker = Ranker(settings.ranker).fit(rows.features, rows.matrix, rows.labels, rows.weights)
        at = Replay.of(shop, start, end, settings, settings.gate.max_users)
        for name, lists in _lists_of_everyone(ranker, at, shop, settings).items():
            shown.setdefault(name, []).append(len(lists.items))
            metrics = (CEILING,) if name == CANDIDATES else METRICS
            judged.setdefault(name, []).append(evaluate(pl.concat(lists.judged), at.truth, metrics).per_user)
    pooled = {name: pl.concat(parts) for name, parts in judged.items()}
    ceiling = pooled.pop(CANDIDATES)
    users = pooled[RANKED].select(Columns.USER)
    bootstrap = Bootstrap(users, users.unique().with_columns(group=pl.col(Columns.USER)))
    report = EvaluationReport(dataset, f"{windows} windows", "test" if skip == 0 else "validation", users.height)
    for name, per_user in pooled.items():
        values = {ITEMS_SHOWN: float(np.mean(shown[name]))}
        if name == RANKED:
            values[CANDIDATES_RECALL] = means(ceiling)[CEILING]
        resampled = bootstrap.means(per_user.drop(Columns.USER).to_numpy())
        report.models[name] = ModelResult(per_user, values, resampled, {}, math.nan, math.nan, None)
    return report


def gains(report: EvaluationReport, metric: str) -> tuple[str, float, float, float]:
    """How far the ranked list is above the best single source: that source, the relative gain, and the 95 % interval
    of the difference."""
    best = max(SOURCES.values(), key=lambda source: report.models[source].values[metric])
    ranked, source = report.models[RANKED], report.models[best]
    level = source.values[metric]
    low, high = ranked.difference(source)[metric].interval
    return best, ranked.values[metric] / level - 1 if level else math.nan, low, high


def _windows(shop: Shop, now: datetime, days: float, windows: int, skip: int) -> Iterator[tuple[datetime, datetime]]:
    end = now
    for place in range(skip + windows):
        start = window_start(shop.events.filter(pl.col(Columns.TIMESTAMP) <= end), end, days)
        if place >= skip:
            yield start, end
        end = start


@dataclass
class _Lists:
    """What one list shows: distinct items in anybody's first ten, and the lists of those who are judged."""

    items: set[int] = field(default_factory=set)
    judged: list[pl.DataFrame] = field(default_factory=list)


def _lists_of_everyone(ranker: Ranker, at: Replay, shop: Shop, settings: PipelineSettings) -> dict[str, _Lists]:
    """The lists of all users with a history, of whom only those who came back can be judged.

    All of them are ordered, for what one is shown depends on what the others are.
    """
    past = shop.events.filter(pl.col(Columns.TIMESTAMP) <= at.items.now)
    users = IdMap(with_items(past, settings.i2i.min_items)[Columns.USER])
    came_back = users.mask(at.truth[Columns.USER])
    by_score = settings.ranker.model_copy(update={"diversity": 0, "category_cap": None, "discovery": 0})
    orders = {RANKED: ListOrder(at.items, settings.ranker), BY_SCORE: ListOrder(at.items, by_score)}
    lists = {name: _Lists() for name in (*orders, *SOURCES.values(), CANDIDATES)}
    for scene in scenes(at.items, UserFacts(shop.events, users, at.items), at.source, settings.ranker):
        candidates, scores = scene.candidates, ranker.score(scene.features, scene.matrix)
        found = {name: order.best(candidates, scores, settings.ranker.size)[:2] for name, order in orders.items()}
        for row, source in enumerate(SOURCES.values()):
            found[source] = best_of_each(candidates.users, -candidates.ranks[row], _PAGE)
        found[CANDIDATES] = best_of_each(candidates.users, -np.fmin.reduce(candidates.ranks), parse_metric(CEILING)[1])
        for name, (best, ranks) in found.items():
            lists[name].items.update(candidates.items[best[ranks <= _PAGE]].tolist())
            kept = came_back[candidates.users[best]]
            lists[name].judged.append(
                pl.DataFrame(
                    {
                        Columns.USER: users.names(candidates.users[best[kept]]),
                        Columns.ITEM: at.items.items.names(candidates.items[best[kept]]),
                        Columns.RANK: ranks[kept],
                    }
                )
            )
    return lists

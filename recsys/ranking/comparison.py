"""Rankers and single sources side by side: the same users, candidates and window for all."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from recsys.evaluation.metrics import Evaluation, evaluate, parse_metric
from recsys.ranking.candidates import SOURCES, Candidates, best_of_each
from recsys.ranking.order import ListOrder
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay
from recsys.schema import Columns

# What no order of the candidates can surpass: the recall of all of them, at most this many a user.
CANDIDATES, CEILING = "candidates", "recall@300"


def compare(rankers: Mapping[str, Ranker], replay: Replay, metrics: Sequence[str]) -> dict[str, Evaluation]:
    """Judge rankers, as their lists are served, and each source's list in its own order, by what users did next.

    Returns:
        An evaluation for each ranker and, under its own name, for each source; `CANDIDATES` has only `CEILING`.
    """
    depth, ceiling = max(parse_metric(name)[1] for name in metrics), parse_metric(CEILING)[1]
    orders = {name: ListOrder(replay.items, replay.settings) for name in rankers}
    lists = {name: [_NO_LISTS] for name in (*rankers, *SOURCES.values(), CANDIDATES)}
    for scene in replay.scenes():
        candidates = scene.candidates
        for name, ranker in rankers.items():
            scores = ranker.score(scene.features, scene.matrix)
            # Whole lists, though only their beginnings are judged: what is shown early may come from far down.
            best, ranks, _ = orders[name].best(candidates, scores, replay.settings.size)
            lists[name].append(_lists(replay, candidates, best[ranks <= depth], ranks[ranks <= depth]))
        for row, source in enumerate(SOURCES.values()):
            lists[source].append(
                _lists(replay, candidates, *best_of_each(candidates.users, -candidates.ranks[row], depth))
            )
        highest = -np.fmin.reduce(candidates.ranks)
        lists[CANDIDATES].append(_lists(replay, candidates, *best_of_each(candidates.users, highest, ceiling)))
    return {
        name: evaluate(pl.concat(parts), replay.truth, (CEILING,) if name == CANDIDATES else metrics)
        for name, parts in lists.items()
    }


_NO_LISTS = pl.DataFrame(schema={Columns.USER: pl.String, Columns.ITEM: pl.String, Columns.RANK: pl.UInt32})


def _lists(replay: Replay, candidates: Candidates, best: np.ndarray, ranks: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            Columns.USER: replay.users.names(candidates.users[best]),
            Columns.ITEM: replay.items.items.names(candidates.items[best]),
            Columns.RANK: ranks,
        }
    )

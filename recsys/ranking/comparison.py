"""Rankers and single sources side by side: the same users, candidates and window for all."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from recsys.evaluation.metrics import Evaluation, evaluate, parse_metric
from recsys.ranking.candidates import SOURCES, best_of_each
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay
from recsys.ranking.scenes import Scene
from recsys.schema import Columns


def compare(rankers: Mapping[str, Ranker], replay: Replay, metrics: Sequence[str]) -> dict[str, Evaluation]:
    """Judge each ranker and, under its own name, each source's list in its own order, by what users did next."""
    depth = max(parse_metric(name)[1] for name in metrics)
    lists = {name: [_NO_LISTS] for name in (*rankers, *SOURCES.values())}
    for scene in replay.scenes():
        scores = {name: ranker.score(scene.features, scene.matrix) for name, ranker in rankers.items()}
        scores |= {source: -scene.candidates.ranks[row] for row, source in enumerate(SOURCES.values())}
        for name, values in scores.items():
            lists[name].append(_lists(replay, scene, values, depth))
    return {name: evaluate(pl.concat(parts), replay.truth, metrics) for name, parts in lists.items()}


_NO_LISTS = pl.DataFrame(schema={Columns.USER: pl.String, Columns.ITEM: pl.String, Columns.RANK: pl.UInt32})


def _lists(replay: Replay, scene: Scene, scores: np.ndarray, depth: int) -> pl.DataFrame:
    best, ranks = best_of_each(scene.candidates.users, scores, depth)
    return pl.DataFrame(
        {
            Columns.USER: replay.users.names(scene.candidates.users[best]),
            Columns.ITEM: replay.items.items.names(scene.candidates.items[best]),
            Columns.RANK: ranks,
        }
    )

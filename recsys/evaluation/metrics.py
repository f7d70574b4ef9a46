"""How good recommendation lists are, measured against what the same users did later.

Frames are long and the work is a join and a sum, so it is linear in the rows. Every user of the truth counts: one whom
the model has nothing for scores zero. Relevance is binary. With R the relevant items of a user and k the cutoff:
precision is hits / k, recall hits / R, NDCG (Järvelin and Kekäläinen 2002) is by the ideal list of min(R, k) hits, MAP
is the sum of precision at each hit's place over min(R, k), MRR the reciprocal place of the first hit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import polars as pl

from recsys.errors import BadInputError, ConfigurationError
from recsys.evaluation.ties import worst_hits
from recsys.models.sums import exact_sum
from recsys.schema import Columns

METRICS = ("precision", "recall", "hit_rate", "ndcg", "map", "mrr")

# What every training run reports besides the metric that decides.
REPORTED = ("ndcg@10", "recall@10", "hit_rate@10", "recall@100")


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Attributes:
        users: how many users were judged.
        values: each metric's mean over those users, by its name, such as `ndcg@10`.
        per_user: `user_id` and one column a metric, sorted by user; two of one truth can be compared pair by pair.
    """

    users: int
    values: dict[str, float]
    per_user: pl.DataFrame

    @classmethod
    def of(cls, per_user: pl.DataFrame) -> Self:
        """The means of what was found user by user."""
        means = {name: math.fsum(per_user[name]) / max(per_user.height, 1) for name in per_user.columns[1:]}
        return cls(per_user.height, means, per_user)


def parse_metric(name: str) -> tuple[str, int]:
    """The metric and the cutoff of a name such as `ndcg@10`.

    Raises:
        ConfigurationError: unknown metric, or a cutoff that is not a positive number.
    """
    metric, _, cutoff = name.partition("@")
    if metric not in METRICS or not cutoff.isdecimal() or int(cutoff) < 1:
        raise ConfigurationError(
            f"There is no metric {name!r}.", remedy=f"Write one of {', '.join(METRICS)}, an @ and a cutoff: ndcg@10."
        )
    return metric, int(cutoff)


def evaluate(recommendations: pl.DataFrame, truth: pl.DataFrame, metrics: Sequence[str]) -> Evaluation:
    """Judge lists by what users did.

    Args:
        recommendations: `user_id, item_id, rank` (1 is best); users outside the truth are ignored. With a `score`, hits
            count at the worst place that ties allow, see `ties.worst_hits`.
        truth: `user_id, item_id`: what each user did in the window, an item once or many times.

    Raises:
        BadInputError: an item is twice in one user's list, which would count a hit twice.
    """
    truth = truth.select(Columns.USER, Columns.ITEM).unique()
    relevant = truth.group_by(Columns.USER).agg(relevant=pl.len()).sort(Columns.USER)
    judged = recommendations.join(relevant, on=Columns.USER, how="semi")
    if judged.select(Columns.USER, Columns.ITEM).is_duplicated().any():
        raise BadInputError("A list to be judged holds an item twice.", remedy="Make each user's items unique.")
    wanted = {name: parse_metric(name) for name in metrics}
    if Columns.SCORE in judged.columns:
        hits = worst_hits(judged, truth, max(k for _, k in wanted.values()))
    else:
        hits = judged.join(truth, on=[Columns.USER, Columns.ITEM], how="semi").select(Columns.USER, Columns.RANK)
    hits = hits.with_columns(pl.col(Columns.RANK).rank("ordinal").over(Columns.USER).alias("hit"))
    per_user = relevant.select(Columns.USER)
    for name, (metric, k) in wanted.items():
        per_user = per_user.with_columns(_values(hits, relevant, metric, k).alias(name))
    return Evaluation.of(per_user)


def _values(hits: pl.DataFrame, relevant: pl.DataFrame, metric: str, k: int) -> pl.Series:
    """One metric at cutoff k for each user of `relevant`, in its order; `hit` numbers a user's hits by rank."""
    rank = pl.col(Columns.RANK).cast(pl.Float64)
    found = (
        hits.filter(pl.col(Columns.RANK) <= k)
        .group_by(Columns.USER)
        .agg(
            hits=pl.len(),
            gain=exact_sum(1.0 / (rank + 1.0).log(2)),
            precisions=exact_sum(pl.col("hit") / rank),
            first=(1.0 / rank).max(),
        )
    )
    users = relevant.join(found, on=Columns.USER, how="left", maintain_order="left").fill_null(0)
    # The best list has min(k, relevant) hits at the top.
    ideal = pl.DataFrame({"best": range(1, k + 1)}, schema={"best": pl.UInt32}).with_columns(
        ideal=(1.0 / (pl.col("best").cast(pl.Float64) + 1.0).log(2)).cum_sum()
    )
    users = users.with_columns(best=pl.min_horizontal("relevant", pl.lit(k)).cast(pl.UInt32))
    users = users.join(ideal, on="best", how="left", maintain_order="left")
    formulas = {
        "precision": pl.col("hits") / k,
        "recall": pl.col("hits") / pl.col("relevant"),
        "hit_rate": (pl.col("hits") > 0).cast(pl.Float64),
        "ndcg": pl.col("gain") / pl.col("ideal"),
        "map": pl.col("precisions") / pl.col("best"),
        "mrr": pl.col("first"),
    }
    return users.select(formulas[metric].alias(metric)).to_series()

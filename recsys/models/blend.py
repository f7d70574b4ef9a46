"""Several models in one: the weighted sum of their scores, each scaled by the best score it gives the user.

CombSUM of Fox and Shaw, "Combination of Multiple Searches", TREC-2 1993, on max-normalized scores. The weights are
learnt by coordinate ascent on a validation window: they are few, the metric is a step function, a blend is cheap.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Self

import polars as pl

from recsys.errors import BadInputError
from recsys.models.base import NEIGHBOURS, RECOMMENDATIONS, Recommender, check_interactions
from recsys.models.sums import exact_sum
from recsys.schema import Columns

# Steps of the search: each weight times each of these, again until none is better.
_FACTORS = (0.0, 0.5, 0.8, 1.25, 2.0)
_MAX_ROUNDS = 4

_USERS_AT_A_TIME = 4_000


class Blend(Recommender):
    """A weighted sum of fitted parts; a part that does not list an item adds nothing to it."""

    name = "blend"

    def __init__(
        self, parts: Mapping[str, Recommender], weights: Mapping[str, float] | None = None, *, depth: int = 200
    ) -> None:
        """Set up.

        Args:
            parts: models by the name that their weight goes by; they may be fitted already.
            weights: of each part; equal if not given.
            depth: entries taken of each part's list at least, before they are added up.

        Raises:
            BadInputError: no part, weights of other parts, a negative weight, or all of them 0.
        """
        weights = dict(weights) if weights is not None else dict.fromkeys(parts, 1.0)
        if set(weights) != set(parts) or min(weights.values(), default=-1) < 0 or not any(weights.values()):
            raise BadInputError(
                f"A blend of {sorted(parts)} cannot have the weights {weights}.",
                remedy="Give every part a weight of at least 0, and one of them more.",
            )
        self.parts, self.weights, self.depth = dict(parts), weights, depth

    def describe(self, items: pl.DataFrame) -> Self:
        for part in self.parts.values():
            part.describe(items)
        return self

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Fit every part on the same interactions."""
        for part in self.parts.values():
            part.fit(interactions, now=now)
        return self

    def learn_weights(
        self,
        histories: pl.DataFrame,
        quality: Callable[[pl.DataFrame], float],
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
    ) -> float:
        """Choose the weights that give the best lists of `k`, for parts fitted on what came before the truth.

        Args:
            histories: of the users of the validation window, known before it.
            quality: judges recommendations; higher is better.

        Returns:
            The best quality found.
        """
        lists = self.lists(histories, k, exclude=exclude)

        def judged(weights: dict[str, float]) -> float:
            return quality(weighted_sum(lists, weights, RECOMMENDATIONS, k)) if any(weights.values()) else -1.0

        best = judged(self.weights)
        for _ in range(_MAX_ROUNDS):
            before = best
            for name in self.parts:
                for factor in _FACTORS:
                    tried = self.weights | {name: round(self.weights[name] * factor, 4)}
                    value = judged(tried)
                    if value > best:
                        best, self.weights = value, tried
            if best == before:
                break
        return best

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        found = [RECOMMENDATIONS.to_frame()]
        for past in user_chunks(check_interactions(histories, may_be_empty=True)):
            left_out = exclude.join(past, on=Columns.USER, how="semi") if exclude is not None else None
            lists = self.lists(past, k, exclude=left_out, allowed_items=allowed_items)
            found.append(weighted_sum(lists, self.weights, RECOMMENDATIONS, k))
        return pl.concat(found)

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        lists = self._of_each(lambda part, depth: part.similar(item_ids, depth), k)
        return weighted_sum(lists, self.weights, NEIGHBOURS, k)

    def lists(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> dict[str, pl.DataFrame]:
        """Recommendations of every part that weighs something, at least `k`, with their `share` of the user's best."""
        return self._of_each(
            lambda part, depth: part.recommend(histories, depth, exclude=exclude, allowed_items=allowed_items), k
        )

    def _of_each(self, ask: Callable[[Recommender, int], pl.DataFrame], k: int) -> dict[str, pl.DataFrame]:
        depth = max(self.depth, k)
        found = {name: ask(part, depth) for name, part in self.parts.items() if self.weights[name] > 0}
        best = pl.col(Columns.SCORE).max()
        return {
            name: rows.with_columns((pl.col(Columns.SCORE) / best.over(rows.columns[0])).alias("share"))
            for name, rows in found.items()
        }

    def save(self, folder: Path) -> None:
        """Write each part into a folder of its own, and `blend.json`."""
        for name, part in self.parts.items():
            (folder / name).mkdir()
            part.save(folder / name)
        options = {name: {"model": part.name, "weight": self.weights[name]} for name, part in self.parts.items()}
        (folder / "blend.json").write_text(json.dumps({"parts": options, "depth": self.depth}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from recsys.models.known import MODELS  # which knows this model too

        options = json.loads((folder / "blend.json").read_text())
        parts = {name: MODELS[part["model"]].load(folder / name) for name, part in options["parts"].items()}
        weights = {name: part["weight"] for name, part in options["parts"].items()}
        return cls(parts, weights, depth=options["depth"])


def user_chunks(histories: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The histories of some users at a time, in order of user."""
    users = histories.select(pl.col(Columns.USER).unique()).sort(Columns.USER)
    for some in users.iter_slices(_USERS_AT_A_TIME):
        yield histories.join(some, on=Columns.USER, how="semi")


def weighted_sum(
    lists: Mapping[str, pl.DataFrame], weights: Mapping[str, float], schema: pl.Schema, k: int
) -> pl.DataFrame:
    """The best `k` by the weighted sum of shares, in the columns of `schema`; equal sums in order of item id."""
    key, item = schema.names()[:2]
    weighted = [
        rows.select(key, item, (pl.col("share").cast(pl.Float64) * weights[name]).alias(Columns.SCORE))
        for name, rows in lists.items()
    ]
    # A part scores a user with others or alone alike, but for the last digits, which must not decide between items.
    total = exact_sum(pl.col(Columns.SCORE)).round_sig_figs(6)
    best = pl.concat(weighted).group_by(key, item).agg(total).filter(pl.col(Columns.SCORE) > 0)
    best = best.sort(key, Columns.SCORE, item, descending=[False, True, False])
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(key)
    return best.with_columns(rank.alias(Columns.RANK)).filter(pl.col(Columns.RANK) <= k).cast(schema)

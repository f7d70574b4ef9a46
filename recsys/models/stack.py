"""Several models in one, put in order by a learner that has seen what each of them is worth where.

Stacked generalization (Wolpert 1992): the parts learn from all but each user's last item, a CatBoost ranker learns from
their scores and ranks which item that was, and then the parts learn from everything.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

from recsys.models.base import RECOMMENDATIONS, Recommender, check_interactions
from recsys.models.blend import Blend, user_chunks, weighted_sum
from recsys.schema import Columns

if TYPE_CHECKING:
    from catboost import CatBoost

_POPULARITY, _LENGTH, _LABEL, _LOT = "popularity", "length", "label", "lot"


class Stack(Recommender):
    """Candidates by an equal blend of the parts, ordered by a ranker over the parts' scores, shares and ranks.

    Each part is asked twice: what follows from the whole history, and what from its last moment alone.
    """

    name = "stack"

    def __init__(
        self,
        parts: Mapping[str, Recommender],
        *,
        candidates: int = 120,
        depth: int = 200,
        max_train_users: int = 20_000,
        negatives: int = 40,
        iterations: int = 200,
        seed: int = 42,
    ) -> None:
        """Set up.

        Args:
            parts: models by the names of their features, not fitted yet.
            candidates: items a user that are put in order.
            depth: entries of each part's list that are looked at.
            max_train_users: users that the ranker learns from at most.
            negatives: candidates a user that it learns from besides the right one.
            iterations: its trees.
        """
        self.blend = Blend(parts, depth=depth)
        self.candidates, self.max_train_users, self.negatives = candidates, max_train_users, negatives
        self.iterations, self.seed = iterations, seed
        self._ranker: CatBoost | None = None
        self._popularity: pl.DataFrame | None = None

    def describe(self, items: pl.DataFrame) -> Self:
        self.blend.describe(items)
        return self

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn; where no user's last item is among the candidates, the order stays that of the equal blend."""
        frame = check_interactions(interactions)
        newest_first = frame.sort(Columns.USER, Columns.TIMESTAMP, Columns.ITEM, descending=[False, True, False])
        last = newest_first.unique(Columns.USER, keep="first", maintain_order=True)
        last = last.select(Columns.USER, Columns.ITEM)
        past = frame.join(last, on=[Columns.USER, Columns.ITEM], how="anti")
        self._ranker = self._learn(past, last, now) if past.height else None
        self.blend.fit(frame, now=now)
        self._popularity = _users_of_items(frame)
        return self

    def _learn(self, past: pl.DataFrame, last: pl.DataFrame, now: datetime) -> "CatBoost | None":
        from catboost import CatBoost, Pool

        self.blend.fit(past, now=now)
        self._popularity = _users_of_items(past)
        users = past.select(pl.col(Columns.USER).unique()).sort(Columns.USER)
        users = users.sample(min(users.height, self.max_train_users), seed=self.seed).sort(Columns.USER)
        known = past.join(users, on=Columns.USER, how="semi")
        examples = []
        for rows in user_chunks(known):
            made = self._features(rows, exclude=rows.select(Columns.USER, Columns.ITEM), allowed_items=None)
            right = last.with_columns(pl.lit(1.0).alias(_LABEL))
            made = made.join(right, on=[Columns.USER, Columns.ITEM], how="left", maintain_order="left")
            made = made.with_columns(pl.col(_LABEL).fill_null(0.0))
            # A user whose last item is no candidate teaches nothing about their order.
            made = made.filter(pl.col(_LABEL).max().over(Columns.USER) > 0)
            lot = pl.Series(_LOT, np.random.default_rng(self.seed).random(made.height)) + made[_LABEL]
            chosen = pl.col(_LOT).rank("ordinal", descending=True).over(Columns.USER) <= self.negatives + 1
            examples.append(made.with_columns(lot).filter(chosen).drop(_LOT))
        learnt = pl.concat(examples)
        if learnt.is_empty():
            return None
        features = learnt.drop(Columns.USER, Columns.ITEM, _LABEL).to_numpy()
        pool = Pool(features, learnt[_LABEL].to_numpy(), group_id=learnt[Columns.USER].rle_id().to_numpy())
        settings = {
            "loss_function": "QuerySoftMax",
            "iterations": self.iterations,
            "learning_rate": 0.08,
            "depth": 5,
            "random_seed": self.seed,
            "allow_writing_files": False,
            "verbose": False,
        }
        return CatBoost(settings).fit(pool)

    def _features(
        self, histories: pl.DataFrame, *, exclude: pl.DataFrame | None, allowed_items: list[str] | None
    ) -> pl.DataFrame:
        """`user_id, item_id` and the features of the candidates, sorted by user and the equal blend's order."""
        newest = histories.filter(pl.col(Columns.TIMESTAMP) == pl.col(Columns.TIMESTAMP).max().over(Columns.USER))
        lists = {
            name + suffix: found
            for suffix, events in (("", histories), (" last", newest))
            for name, found in self.blend.lists(
                events, self.candidates, exclude=exclude, allowed_items=allowed_items
            ).items()
        }
        made = weighted_sum(lists, dict.fromkeys(lists, 1.0), RECOMMENDATIONS, self.candidates)
        made = made.rename({Columns.SCORE: "blend", Columns.RANK: "blend rank"})
        for name, found in lists.items():
            ranked = found.rename(
                {column: f"part {name} {column}" for column in (Columns.SCORE, Columns.RANK, "share")}
            )
            made = made.join(ranked, on=[Columns.USER, Columns.ITEM], how="left", maintain_order="left")
        lengths = histories.group_by(Columns.USER).agg(pl.col(Columns.ITEM).n_unique().alias(_LENGTH))
        made = made.join(lengths, on=Columns.USER, how="left", maintain_order="left")
        made = made.join(self._fitted(self._popularity), on=Columns.ITEM, how="left", maintain_order="left")
        return made.with_columns(pl.exclude(Columns.USER, Columns.ITEM).cast(pl.Float32))

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        self._fitted(self._popularity)
        found = [RECOMMENDATIONS.to_frame()]
        for rows in user_chunks(check_interactions(histories, may_be_empty=True)):
            left_out = exclude.join(rows, on=Columns.USER, how="semi") if exclude is not None else None
            made = self._features(rows, exclude=left_out, allowed_items=allowed_items)
            if made.is_empty():
                continue
            score = made["blend"]
            if self._ranker is not None:
                score = pl.Series(self._ranker.predict(made.drop(Columns.USER, Columns.ITEM).to_numpy()))
            ordered = made.select(Columns.USER, Columns.ITEM, score.cast(pl.Float32).alias(Columns.SCORE))
            ordered = ordered.sort(Columns.USER, Columns.SCORE, descending=[False, True], maintain_order=True)
            rank = pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).over(Columns.USER)
            found.append(ordered.with_columns(rank.alias(Columns.RANK)).filter(pl.col(Columns.RANK) <= k))
        return pl.concat(found)

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        """Neighbours by the equal blend; see `Recommender.similar`."""
        self._fitted(self._popularity)
        return self.blend.similar(item_ids, k)

    def save(self, folder: Path) -> None:
        """Write the blend's folder, `popularity.parquet`, `ranker.cbm` if there is one, and `stack.json`."""
        self._fitted(self._popularity).write_parquet(folder / "popularity.parquet")
        (folder / "blend").mkdir()
        self.blend.save(folder / "blend")
        if self._ranker is not None:
            self._ranker.save_model(str(folder / "ranker.cbm"))
        options = {name: value for name, value in vars(self).items() if not name.startswith("_") and name != "blend"}
        (folder / "stack.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        from catboost import CatBoost

        blend = Blend.load(folder / "blend")
        model = cls(blend.parts, depth=blend.depth, **json.loads((folder / "stack.json").read_text()))
        model._popularity = pl.read_parquet(folder / "popularity.parquet")
        if (folder / "ranker.cbm").exists():
            model._ranker = CatBoost().load_model(str(folder / "ranker.cbm"))
        return model


def _users_of_items(frame: pl.DataFrame) -> pl.DataFrame:
    users = frame.group_by(Columns.ITEM).agg(pl.col(Columns.USER).n_unique().alias(_POPULARITY))
    return users.sort(Columns.ITEM)

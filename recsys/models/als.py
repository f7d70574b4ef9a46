"""Matrix factorization for implicit feedback by alternating least squares.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008; solved by the package
`implicit` with conjugate gradients (Takács, Pilászy, Tikk 2011). Only item factors are kept: every user, seen at `fit`
or not, is folded in from the history given, so a monthly model serves today's users by what they did today.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from implicit.cpu.als import AlternatingLeastSquares
from implicit.cpu.topk import topk
from threadpoolctl import threadpool_limits

from recsys.errors import BadInputError, IntegrityError
from recsys.models.base import NEIGHBOURS, RECOMMENDATIONS, Recommender, check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.inner_product import EMPTY, Catalogue
from recsys.models.matrices import known_codes, matrix, pair_matrix, ranked_frame, unit_rows
from recsys.models.sums import exact_sum
from recsys.schema import Columns
from recsys.settings import AlsSettings

# Users folded in and scored at a time.
USERS_PER_BLOCK = 4_096


class Als(Recommender):
    """ALS on weights log(1 + Σ rating · 2^(-age / half_life)) per user and item."""

    name = "als"

    def __init__(self, settings: AlsSettings | None = None) -> None:
        self.settings = settings or AlsSettings()
        self._items: IdMap | None = None
        self._factors: np.ndarray | None = None
        self._now: datetime | None = None

    @property
    def size(self) -> int:
        """How many items the model knows."""
        return len(self._fitted(self._items))

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Factorize; users and items below `min_user_items` and `min_item_users` are left out.

        Raises:
            BadInputError: see `check_interactions`, or nothing is left to train on.
            IntegrityError: the factors came out NaN or infinite.
        """
        frame = check_interactions(interactions, until=now)
        users, items = IdMap(frame[Columns.USER]), IdMap(frame[Columns.ITEM])
        pairs = self._pairs(frame, users, items, now)
        pairs = pairs.filter(pl.len().over("user") >= self.settings.min_user_items)
        pairs = pairs.filter(pl.len().over("item") >= self.settings.min_item_users)
        if pairs.is_empty():
            raise BadInputError(
                f"No user has {self.settings.min_user_items} items that {self.settings.min_item_users} users share.",
                remedy="Load more events, or lower train_als.min_user_items and train_als.min_item_users.",
            )
        # Codes without the gaps that the filters left; dense ranks keep the order, so they match the new map's codes.
        kept = items.names(pairs["item"].unique().sort().to_numpy())
        pairs = pairs.with_columns(pl.col("user", "item").rank("dense").cast(pl.Int32) - 1)
        model = self._solver()
        with threadpool_limits(1, "blas"):
            model.fit(matrix(pairs, int(pairs["user"].max()) + 1, len(kept)), show_progress=False)  # type: ignore[arg-type]
        self._items, self._now = IdMap(kept), now
        self._factors = _checked(model.item_factors)
        return self

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        """The items with the largest inner products, exactly; see `Recommender.recommend`."""
        factors, items, now = self._fitted(self._factors), self._fitted(self._items), self._fitted(self._now)
        histories = check_interactions(histories, may_be_empty=True)
        users = IdMap(histories[Columns.USER])
        taste = matrix(self._pairs(histories, users, items, now), len(users), len(items))
        banned = pair_matrix(exclude, users, items) if exclude is not None else None
        candidates = np.arange(len(items)) if allowed_items is None else known_codes(items, allowed_items)
        catalogue = Catalogue(factors, candidates)
        model = self._solver()
        model.item_factors = factors
        parts = [pl.DataFrame(schema=RECOMMENDATIONS)]
        with threadpool_limits(1, "blas"):
            for start in range(0, len(users) if len(candidates) else 0, USERS_PER_BLOCK):
                block = taste[start : start + USERS_PER_BLOCK]
                rows = np.flatnonzero(np.diff(block.indptr))
                if not len(rows):
                    continue
                tastes = _checked(model.recalculate_user(rows, block[rows]))
                left_out = banned[start + rows] if banned is not None else None
                best, scores = catalogue.best(tastes, k, left_out)
                parts.append(ranked_frame(RECOMMENDATIONS, users.names(start + rows), items, best, scores, EMPTY))
        return pl.concat(parts)

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        """Neighbours by the cosine of factors; see `Recommender.similar`."""
        factors, items = self._fitted(self._factors), self._fitted(self._items)
        codes = known_codes(items, item_ids)
        if not len(codes):
            return pl.DataFrame(schema=NEIGHBOURS)
        norms = np.maximum(np.linalg.norm(factors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        directions = factors / norms
        itself = unit_rows(codes, len(items))
        with threadpool_limits(1, "blas"):
            best, scores = topk(directions, directions[codes], min(k, len(items)), filter_query_items=itself)
        return ranked_frame(NEIGHBOURS, items.names(codes), items, best, scores, EMPTY)

    def save(self, folder: Path) -> None:
        """Write `items.parquet` (the id map), `factors.npy` (items by factors, float32) and `als.json`."""
        np.save(folder / "factors.npy", self._fitted(self._factors))
        self._fitted(self._items).save(folder / "items.parquet")
        now = self._fitted(self._now).isoformat()
        (folder / "als.json").write_text(json.dumps({"settings": self.settings.model_dump(), "now": now}))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            IntegrityError: NaN or infinite factors, not one row for each item, or a file cut short.
        """
        description = json.loads((folder / "als.json").read_text())
        model = cls(AlsSettings(**description["settings"]))
        model._now = datetime.fromisoformat(description["now"])
        model._items = IdMap.load(folder / "items.parquet")
        try:
            model._factors = _checked(np.load(folder / "factors.npy", allow_pickle=False))
        except (ValueError, EOFError) as error:
            raise IntegrityError(f"factors.npy is not whole: {error}.", remedy="Train the model again.") from error
        if len(model._factors) != len(model._items):
            raise IntegrityError(
                f"The ALS model has {len(model._factors)} rows of factors for {len(model._items)} items.",
                remedy="Its files do not belong together; train again with `recsys run train_als`.",
            )
        return model

    def _solver(self) -> AlternatingLeastSquares:
        # Made where BLAS has one thread, or `implicit` warns: it runs threads of its own, and two layers fight.
        with threadpool_limits(1, "blas"):
            return AlternatingLeastSquares(
                factors=self.settings.factors,
                regularization=self.settings.regularization,
                alpha=self.settings.alpha,
                iterations=self.settings.iterations,
                random_state=self.settings.seed,
            )

    def _pairs(self, frame: pl.DataFrame, users: IdMap, items: IdMap, now: datetime) -> pl.DataFrame:
        """`user, item, weight` of the known items, a row a pair. Events after `now` weigh as if they were new."""
        age = (pl.lit(now) - pl.col(Columns.TIMESTAMP)).dt.total_seconds().clip(0) / 86_400
        weight = pl.col(Columns.RATING) * 0.5 ** (age / self.settings.half_life_days)
        coded = frame.select(
            user=pl.Series(users.codes(frame[Columns.USER])),
            item=pl.Series(items.codes(frame[Columns.ITEM])),
            weight=weight,
        )
        pairs = coded.filter(pl.col("item") != UNKNOWN).group_by("user", "item").agg(exact_sum(pl.col("weight")))
        return pairs.with_columns(pl.col("weight").log1p().cast(pl.Float32)).sort("user", "item")


def _checked(factors: np.ndarray) -> np.ndarray:
    if not np.isfinite(factors).all():
        raise IntegrityError(
            "The ALS factors hold NaN or infinite values.",
            remedy="Train again with a larger train_als.regularization or a smaller train_als.alpha.",
        )
    return factors

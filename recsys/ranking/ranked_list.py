"""The ranked list as one model among others: it learns from interactions alone and can be compared with what it joins.

`RankedList` is steps 2 to 7 in one: the sources are fitted, the ranker learns from past windows, and lists are made as
step 7 makes them, with the pipeline's settings. `AllCandidates` is what it chooses from: its recall at 300 is the
ceiling of any order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import numpy as np
import polars as pl
from pydantic import ValidationError

from recsys.dataset.prepared import ITEM_HISTORY
from recsys.errors import BadInputError, NotReadyError
from recsys.evaluation.datasets.base import EvaluationData
from recsys.models.als import Als
from recsys.models.base import RECOMMENDATIONS, check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.ranking.candidates import best_of_each, pair_codes
from recsys.ranking.examples import examples
from recsys.ranking.facts import ItemFacts, UserFacts
from recsys.ranking.order import ListOrder
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Shop, past_replays
from recsys.ranking.scenes import Scene, scenes
from recsys.ranking.sources import Lists, PastLists
from recsys.schema import Columns
from recsys.settings import PipelineSettings, RankerSettings, pipeline


class RankedList:
    """Candidates of all sources in the ranker's order. It needs a shop's events, with `event_type`."""

    name = "ranked"

    def __init__(
        self, item_history: pl.DataFrame | None, categories: pl.DataFrame, settings: PipelineSettings | None = None
    ) -> None:
        """Args:
        item_history: `recsys.dataset.prepared.ITEM_HISTORY`; what it holds from after a moment is not looked at.
        categories: `category_id, parent_id`.
        settings: None are those of the environment.
        """
        self.settings = settings or pipeline()
        self._item_history = ITEM_HISTORY.to_frame() if item_history is None else item_history
        self._categories = categories
        self._items: ItemFacts | None = None

    def describe(self, items: pl.DataFrame) -> Self:
        """What is known of items it has, with the times, from its constructor."""
        return self

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Fit the sources on all interactions, and the ranker on windows of the past.

        Raises:
            BadInputError: see `check_interactions`; or `event_type` is missing; or nobody acted on any candidate.
        """
        check_interactions(interactions, until=now)
        if Columns.EVENT_TYPE not in interactions.columns:
            raise BadInputError(
                f"The model {self.name!r} learns from a shop's events, but there is no column event_type.",
                remedy="Evaluate it on a shop: retailrocket, online_retail, complete_journey, simulator or current.",
            )
        if Columns.PRICE not in interactions.columns:
            interactions = interactions.with_columns(pl.lit(None, pl.Float32).alias(Columns.PRICE))
        shop = Shop(interactions, self._item_history, self._categories)
        self._learn(shop, now)
        self._items = shop.items(now, self.settings)
        als = Als(self.settings.train_als).fit(interactions, now=now)
        self._source = PastLists(interactions, self._items, als, self.settings)
        return self

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        """See `Recommender.recommend`; what a user of `histories` bought never comes, excluded or not."""
        if self._items is None:
            raise NotReadyError(f"The model {self.name!r} has not been fitted.", remedy="Call fit() first.")
        items, users = self._items, IdMap(histories[Columns.USER])
        banned = _pairs(exclude, users, items.items)
        allowed = (
            np.ones(len(items.items), bool) if allowed_items is None else items.items.mask(pl.Series(allowed_items))
        )
        order = self._order(items)
        lists = [RECOMMENDATIONS.to_frame()]
        facts = UserFacts(histories, users, items)
        for scene in scenes(items, facts, _Given(histories, self._source), self.settings.ranker):
            kept = allowed[scene.candidates.items] & ~np.isin(scene.candidates.pairs, banned)
            scene = Scene(scene.candidates.take(kept), scene.features, scene.matrix[kept])
            if not kept.any():
                continue
            # Whole lists, though only their beginnings are wanted: what is shown early may come from far down.
            best, ranks, scores = order(scene, max(k, self.settings.ranker.size))
            shown = ranks <= k
            found = scene.candidates.take(best[shown])
            lists.append(
                pl.DataFrame(
                    {
                        Columns.USER: users.names(found.users),
                        Columns.ITEM: items.items.names(found.items),
                        Columns.SCORE: scores[shown],
                        Columns.RANK: ranks[shown],
                    },
                    schema=RECOMMENDATIONS,
                )
            )
        return pl.concat(lists)

    def _learn(self, shop: Shop, now: datetime) -> None:
        rows = examples(past_replays(shop, now, self.settings), self.settings.ranker)
        self._ranker = Ranker(self.settings.ranker).fit(rows.features, rows.matrix, rows.labels, rows.weights)

    def _order(self, items: ItemFacts) -> "_Order":
        order = ListOrder(items, self.settings.ranker)
        return lambda scene, size: order.best(scene.candidates, self._ranker.score(scene.features, scene.matrix), size)


class AllCandidates(RankedList):
    """The same candidates, each at the best place that any source gives it."""

    name = "candidates"

    def _learn(self, shop: Shop, now: datetime) -> None:
        pass

    def _order(self, items: ItemFacts) -> "_Order":
        def by_best_place(scene: Scene, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            highest = -np.fmin.reduce(scene.candidates.ranks)
            best, ranks = best_of_each(scene.candidates.users, highest, size)
            return best, ranks, highest[best]

        return by_best_place


RANKED_LISTS: dict[str, type[RankedList]] = {kind.name: kind for kind in (RankedList, AllCandidates)}


def make_ranked(name: str, data: EvaluationData, **parameters: Any) -> RankedList:
    """One of `RANKED_LISTS` for a dataset.

    Args:
        parameters: fields of `RankerSettings`; the others are as in the environment.

    Raises:
        BadInputError: it has no such parameter, or not with such a value.
    """
    settings = pipeline()
    try:
        ranker = RankerSettings.model_validate({**settings.ranker.model_dump(), **parameters}, extra="forbid")
    except ValidationError as error:
        raise BadInputError(
            f"The model {name!r} does not take these parameters: {error}.",
            remedy="It takes the fields of RankerSettings, such as ranked.discovery=0.",
        ) from None
    return RANKED_LISTS[name](data.item_history, _categories(data), settings.model_copy(update={"ranker": ranker}))


_Order = Callable[[Scene, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class _Given:
    """The lists of users by the histories given, who need not have been there at the fit."""

    histories: pl.DataFrame
    source: PastLists

    def lists(self, user_ids: pl.Series) -> Lists:
        return self.source.of(self.histories.join(user_ids.alias(Columns.USER).to_frame(), on=Columns.USER, how="semi"))


def _categories(data: EvaluationData) -> pl.DataFrame:
    if Columns.CATEGORY not in data.items.columns:
        return pl.DataFrame(schema={Columns.CATEGORY: pl.String, "parent_id": pl.String})
    known = data.items.select(Columns.CATEGORY, pl.col(Columns.PARENT_CATEGORY).alias("parent_id"))
    return known.drop_nulls(Columns.CATEGORY).unique(Columns.CATEGORY).sort(Columns.CATEGORY)


def _pairs(exclude: pl.DataFrame | None, users: IdMap, items: IdMap) -> np.ndarray:
    if exclude is None:
        return np.empty(0, np.int64)
    user, item = users.codes(exclude[Columns.USER]), items.codes(exclude[Columns.ITEM])
    known = (user != UNKNOWN) & (item != UNKNOWN)
    return pair_codes(user[known], item[known], len(items))

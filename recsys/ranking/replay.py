"""A past moment of the shop: what was known then, what would have been listed then, and what users did after."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import polars as pl

from recsys.evaluation.protocols.time_window import split_by_time, window_start
from recsys.models.als import Als
from recsys.models.id_map import IdMap
from recsys.ranking.facts import ItemFacts, UserFacts
from recsys.ranking.scenes import Scene, scenes
from recsys.ranking.sources import PastLists
from recsys.schema import Columns
from recsys.settings import PipelineSettings


@dataclass(frozen=True)
class Shop:
    """The frames of a prepared dataset that ranking needs."""

    events: pl.DataFrame
    item_history: pl.DataFrame
    categories: pl.DataFrame

    def items(self, now: datetime, settings: PipelineSettings) -> ItemFacts:
        """What was known of every item at a moment."""
        assume = settings.prepare_dataset.assume_available
        return ItemFacts(self.events, self.item_history, self.categories, now=now, assume_available=assume)


class Replay:
    """The users who were active between two moments, as they stood at the first.

    Attributes:
        end: the last moment that `truth` knows of.
        truth: `user_id, item_id, rating`: what they did after `start` and until `end`.
        users: the map of these users.
        items: what was known of every item at `start`.
        source: everybody's lists as of `start`.
    """

    def __init__(
        self, shop: Shop, als: Als, settings: PipelineSettings, *, start: datetime, end: datetime, max_users: int
    ) -> None:
        """Args:
        als: fitted on nothing later than `start`.
        """
        self.settings, self.end = settings.ranker, end
        self.truth = split_by_time(
            shop.events,
            start,
            end,
            min_items=settings.i2i.min_items,
            max_users=max_users,
            seed=settings.ranker.seed,
        ).truth
        self.users = IdMap(self.truth[Columns.USER])
        self.items = shop.items(start, settings)
        self._facts = UserFacts(shop.events, self.users, self.items)
        self.source = PastLists(shop.events, self.items, als, settings)

    @classmethod
    def of(cls, shop: Shop, start: datetime, end: datetime, settings: PipelineSettings, max_users: int) -> Self:
        """With an ALS model fitted as of `start`."""
        past = shop.events.filter(pl.col(Columns.TIMESTAMP) <= start)
        als = Als(settings.train_als).fit(past, now=start)
        return cls(shop, als, settings, start=start, end=end, max_users=max_users)

    def scenes(self) -> Iterator[Scene]:
        """Everyone's candidates with their features."""
        return scenes(self.items, self._facts, self.source, self.settings)


def past_replays(shop: Shop, end: datetime, settings: PipelineSettings) -> Iterator[Replay]:
    """Target windows that follow one another, the newest first, as far back as there is something to learn from."""
    for _ in range(settings.ranker.windows):
        before = shop.events.filter(pl.col(Columns.TIMESTAMP) <= end)
        start = window_start(before, end, settings.ranker.target_days)
        yield Replay.of(shop, start, end, settings, settings.ranker.max_train_users)
        end = start

"""The lists that candidates come from: as steps 3, 4 and 5 would have made them at a past moment, or as published."""

from collections.abc import Mapping
from typing import Protocol

import polars as pl

from recsys.evaluation.protocols.time_window import purchases, with_items
from recsys.models.als import Als
from recsys.models.id_map import IdMap
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import popularity
from recsys.publishing.bulk import SnapshotReader
from recsys.ranking.facts import ItemFacts
from recsys.schema import WHOLE_SHOP, Columns, RecommendationTable
from recsys.settings import PipelineSettings

Lists = Mapping[RecommendationTable, pl.DataFrame]


class ListSource(Protocol):
    """Gives the lists of some users, a chunk at a time."""

    def lists(self, user_ids: pl.Series) -> Lists:
        """Long frames for `join_candidates`."""


class PastLists:
    """What the steps would have published at the moment of `facts`, knowing nothing later."""

    def __init__(self, events: pl.DataFrame, facts: ItemFacts, als: Als, settings: PipelineSettings) -> None:
        """Args:
        events: prepared events; those after the moment are ignored.
        als: fitted on nothing later than the moment. It may be older, as the monthly model in service is.
        """
        self._settings, self._als = settings, als
        self._past = events.filter(pl.col(Columns.TIMESTAMP) <= facts.now)
        available = facts.items.names(facts.available.nonzero()[0])
        self._available = available.to_list()
        self._neighbours = ItemToItem.from_settings(settings)
        self._neighbours.fit(self._past, now=facts.now, targets=available)
        scores = popularity(self._past.lazy(), now=facts.now, half_life_days=settings.default.half_life_days)
        best = scores.filter(pl.col(Columns.ITEM).is_in(self._available)).head(settings.ranker.default_candidates)
        self._default = best.with_columns(pl.int_range(1, pl.len() + 1, dtype=pl.UInt32).alias(Columns.RANK))

    def lists(self, user_ids: pl.Series) -> Lists:
        """See `ListSource`."""
        return self.of(self._past.join(user_ids.alias(Columns.USER).to_frame(), on=Columns.USER, how="semi"))

    def of(self, histories: pl.DataFrame) -> Lists:
        """The lists of whoever did this, known or not; columns as those of prepared events."""
        size = self._settings.ranker.candidates_per_source
        found = {}
        for table, model, step in (
            (RecommendationTable.PERSONALIZED, self._als, self._settings.personalized),
            (RecommendationTable.I2I, self._neighbours, self._settings.i2i),
        ):
            served = histories.join(with_items(histories, step.min_items), on=Columns.USER, how="semi")
            exclude = served if step.drop_seen else purchases(served)
            best = model.recommend(served, min(size, step.size), exclude=exclude, allowed_items=self._available)
            found[table] = best.rename({Columns.USER: Columns.KEY})
        return {**found, RecommendationTable.DEFAULT: self._default}


class PublishedLists:
    """The tables in service."""

    def __init__(self, tables: Mapping[RecommendationTable, SnapshotReader], default_candidates: int) -> None:
        self._tables = {table: reader for table, reader in tables.items() if table != RecommendationTable.DEFAULT}
        default = tables[RecommendationTable.DEFAULT].lists([WHOLE_SHOP])
        self._default = default.drop(Columns.KEY, Columns.BASED_ON, strict=False).head(default_candidates)

    @property
    def users(self) -> IdMap:
        """Everyone who has a list of their own."""
        return IdMap(pl.concat(pl.Series(list(reader.keys()), dtype=pl.String) for reader in self._tables.values()))

    def lists(self, user_ids: pl.Series) -> Lists:
        """See `ListSource`."""
        found: dict[RecommendationTable, pl.DataFrame] = {RecommendationTable.DEFAULT: self._default}
        return found | {table: reader.lists(user_ids) for table, reader in self._tables.items()}

"""Items that the same shoppers turn to, one after the other: a sparse linear item-to-item model.

Every two items of a user's history count for each other: more if they are close in the sequence, if the second follows
the first, and if it was lately: the position weights of sequential rules (Ludewig & Jannach, "Evaluation of
Session-based Recommendation Algorithms", 2018, section 3.2). A row is then divided by its sum to a power below 1, so
that among a shopper's items those say more of which more is known, and each entry by its item's popularity to a power
(cf. the asymmetric cosine of Aiolli, "Efficient Top-N Recommendation for Very Large Scale Binary Rated Datasets",
RecSys 2013). The constants were chosen on the validation sides of Beauty and Online Retail.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from scipy import sparse

from recsys.models.base import RECOMMENDATIONS, Recommender, check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.neighbours import Neighbours, best_first, cuts, expand, places
from recsys.models.online import MS_PER_DAY
from recsys.schema import Columns
from recsys.settings import PipelineSettings

DISTANCE_DECAY = 0.87  # per step between two items in a user's sequence
BACKWARD = 0.3  # weight of an item that came before against one that came after
ROW_POWER = 0.4  # power of a row's sum that its entries are divided by
LENGTH_POWER = 0.15  # a user's pairs weigh the length of the history to minus this power
_PAIRS_AT_A_TIME = 8_000_000  # pairs of events held at a time; some 60 bytes each


class ItemToItem(Recommender):
    """Neighbours by decayed co-occurrence; users by the formula of `recsys.models.online`."""

    name = "item_to_item"

    def __init__(
        self,
        *,
        size: int = 50,
        half_life_days: float = 60.0,
        max_history: int = 100,
        popularity_power: float = 0.2,
        history: int = 20,
        history_half_life_days: float = 7.0,
    ) -> None:
        """The first four are described in `SimilarSettings`, the last two in `I2ISettings`."""
        self.size, self.half_life_days, self.max_history = size, half_life_days, max_history
        self.popularity_power = popularity_power
        self.history, self.history_half_life_days = history, history_half_life_days
        self._neighbours: Neighbours | None = None

    @classmethod
    def from_settings(cls, settings: PipelineSettings) -> Self:
        """The model of steps 5 and 6."""
        similar, i2i = settings.similar_items, settings.i2i
        return cls(
            size=similar.size,
            half_life_days=similar.half_life_days,
            max_history=similar.max_history,
            popularity_power=similar.popularity_power,
            history=i2i.history,
            history_half_life_days=i2i.half_life_days,
        )

    @property
    def neighbours(self) -> Neighbours:
        """The rows learnt.

        Raises:
            NotReadyError: `fit` has not been called.
        """
        return self._fitted(self._neighbours)

    def fit(self, interactions: pl.DataFrame, *, now: datetime, targets: pl.Series | None = None) -> Self:
        """See `Recommender.fit`; `targets` are the only items that may be neighbours, None means all."""
        interactions = check_interactions(interactions, until=now)
        items = IdMap(interactions[Columns.ITEM])
        allowed = np.ones(len(items), bool) if targets is None else items.mask(targets)
        sequences = _Sequences(interactions, items, now, self.max_history, self.half_life_days)
        parts = [self._rows(sequences, low, high, allowed) for low, high in cuts(sequences.work, _PAIRS_AT_A_TIME)]
        self._neighbours = Neighbours.from_entries(items, *map(np.concatenate, zip(*parts, strict=True)))
        return self

    def _rows(
        self, sequences: "_Sequences", low: int, high: int, allowed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row codes, neighbour codes and scores of the items `low:high`, best first in each row."""
        row, column, weight = sequences.pairs(low, high)
        kept = allowed[column] & (row != column)
        shape = (high - low, len(allowed))
        block = sparse.coo_array((weight[kept], (row[kept] - low, column[kept])), shape=shape).tocsr()
        rows = np.repeat(np.arange(low, high, dtype=np.int32), np.diff(block.indptr))
        sums = np.asarray(block.sum(axis=1)).ravel()
        norm = sums[rows - low] ** ROW_POWER * sequences.seen[block.indices] ** self.popularity_power
        score = (block.data / norm).astype(np.float32)
        best = best_first(rows, score)
        best = best[places(rows) < self.size]
        return rows[best], block.indices[best], score[best]

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        exclude: pl.DataFrame | None = None,
        allowed_items: list[str] | None = None,
    ) -> pl.DataFrame:
        histories = check_interactions(histories, may_be_empty=True)
        parts = self.neighbours.recommend(
            histories,
            k,
            length=self.history,
            half_life_days=self.history_half_life_days,
            exclude=exclude,
            allowed_items=None if allowed_items is None else pl.Series(allowed_items, dtype=pl.String),
        )
        return pl.concat([RECOMMENDATIONS.to_frame(), *(part.select(RECOMMENDATIONS.names()) for part in parts)])

    def similar(self, item_ids: list[str], k: int) -> pl.DataFrame:
        codes = self.neighbours.items.codes(pl.Series(item_ids, dtype=pl.String))
        return self.neighbours.rows(np.unique(codes[codes != UNKNOWN]), k)

    def save(self, folder: Path) -> None:
        self.neighbours.save(folder)
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "item_to_item.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "item_to_item.json").read_text()))
        model._neighbours = Neighbours.load(folder)
        return model


class _Sequences:
    """Users' last distinct items in order of time, as parallel arrays of events, and the same events by item.

    Attributes:
        seen: per item, its users, decayed by time.
        work: how many pairs the items before each item have; one longer than the items.
    """

    def __init__(
        self, interactions: pl.DataFrame, items: IdMap, now: datetime, max_history: int, half_life_days: float
    ) -> None:
        # Users with a single event say nothing about what goes together; most visitors of a shop are such users.
        events = (
            interactions.filter(pl.col(Columns.USER).is_duplicated())
            .group_by(Columns.USER, Columns.ITEM)
            .agg(pl.col(Columns.TIMESTAMP).max().dt.epoch("ms").alias("ms"))
            .sort(Columns.USER, "ms", Columns.ITEM, descending=[False, True, False])
        )
        kept = places(events[Columns.USER].rle_id().to_numpy()) < max_history
        events = events.filter(pl.Series(kept))
        user, ms = events[Columns.USER].rle_id().to_numpy(), events["ms"].to_numpy()
        self._first = np.searchsorted(user, user)
        self._length = np.bincount(user)[user] if len(user) else user.astype(np.int64)
        # What came in one basket has one position: it is close, and neither before nor after.
        self._position = -np.cumsum((np.diff(user, prepend=0) != 0) | (np.diff(ms, prepend=0) != 0), dtype=np.int32)
        age_days = (now.timestamp() * 1000 - ms) / MS_PER_DAY
        self._decay = (0.5 ** (age_days / half_life_days)).astype(np.float32)
        self._item = items.codes(events[Columns.ITEM])
        self._by_item = np.argsort(self._item, kind="stable")
        self._starts = np.searchsorted(self._item[self._by_item], np.arange(len(items) + 1))
        self._share = self._length.astype(np.float32) ** -LENGTH_POWER
        self._steps = DISTANCE_DECAY ** np.arange(max_history, dtype=np.float32)
        self.seen = np.bincount(self._item, weights=self._decay, minlength=len(items)).astype(np.float32)
        self.work = np.cumsum(np.append(0, self._length[self._by_item]))[self._starts]

    def pairs(self, low: int, high: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Item, other item and weight for all pairs of a user's events whose first is about an item of `low:high`."""
        events = self._by_item[self._starts[low] : self._starts[high]]
        length = self._length[events]
        other, _ = expand(self._first[events], length)
        distance = self._position[other] - np.repeat(self._position[events], length)
        weight = np.maximum(np.repeat(self._decay[events], length), self._decay[other])
        weight *= self._share[other] * self._steps[np.abs(distance)]
        weight[distance < 0] *= BACKWARD
        return np.repeat(self._item[events], length), self._item[other], weight

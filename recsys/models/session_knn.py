"""Next items from the sessions most like the one at hand, by order and by time.

STAN (Garg et al., "Sequence and Time Aware Neighborhood for Session-based Recommendations", SIGIR 2019) with its three
decays: items of the session at hand count less the older they are, neighbouring sessions too, and a neighbour's items
the farther they are from the item it shares with the session at hand. Rare items count more, as in Ludewig & Jannach,
"Evaluation of Session-based Recommendation Algorithms", 2018, section 3.3.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from scipy import sparse

from recsys.models.id_map import IdMap
from recsys.models.matrices import pair_matrix
from recsys.models.neighbours import best_first, cuts, expand, places
from recsys.models.scoring import ScoringModel
from recsys.models.sessions import by_session
from recsys.schema import Columns

_ENTRIES_AT_A_TIME = 4_000_000  # items of neighbouring sessions held at a time; some 50 bytes each


class SessionKnn(ScoringModel):
    """The items of the most similar sessions, each by the sum of its sessions' similarities times its rarity."""

    name = "session_knn"

    def __init__(
        self,
        *,
        neighbours: int = 300,
        sample: int = 1_000,
        half_life_days: float = 120.0,
        rarity: float = 0.3,
        history_decay: float = 0.7,
        distance_decay: float = 0.8,
    ) -> None:
        """Set up.

        Args:
            neighbours: sessions that count, the most similar ones.
            sample: an item's newest sessions among which they are looked for; bounds the work for what many look at.
            half_life_days: the similarity of a session halves every so many days before the newest.
            rarity: power of an item's inverse document frequency.
            history_decay: see `ScoringModel`.
            distance_decay: weight of a neighbour's item for every moment between it and the newest shared item.
        """
        self.neighbours, self.sample, self.half_life_days = neighbours, sample, half_life_days
        self.rarity, self.history_decay = rarity, history_decay
        self.distance_decay = distance_decay
        self._sessions: sparse.csr_matrix | None = None
        self._lookup: sparse.csr_matrix | None = None
        self._rarity: np.ndarray | None = None

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Remember all sessions; see `sessions.by_session`."""
        frame = by_session(interactions, now=now)
        sessions = IdMap(frame[Columns.USER])
        self._items = IdMap(frame[Columns.ITEM])
        last = frame.group_by(Columns.USER, Columns.ITEM).agg(pl.col(Columns.TIMESTAMP).max())
        place = pl.col(Columns.TIMESTAMP).rank("dense").over(Columns.USER)
        self._sessions = pair_matrix(last.with_columns(place=place), sessions, self._items, weight="place")
        newest = frame.group_by(Columns.USER).agg(pl.col(Columns.TIMESTAMP).max().dt.epoch("ms")).sort(Columns.USER)
        ms = newest[Columns.TIMESTAMP].to_numpy()
        fresh = 0.5 ** ((ms.max() - ms) / 86_400_000 / self.half_life_days)
        length = np.diff(self._sessions.indptr)
        by_item = self._sessions.T.tocoo()
        order = np.lexsort((-ms[by_item.col], by_item.row))
        item, session = by_item.row[order], by_item.col[order]
        kept = places(item) < self.sample
        weight = (fresh / np.sqrt(length)).astype(np.float32)[session[kept]]
        self._lookup = sparse.csr_matrix(
            (weight, (item[kept], session[kept])), shape=(len(self._items), len(sessions)), dtype=np.float32
        )
        users = np.bincount(item, minlength=len(self._items))
        self._rarity = (np.log1p(len(sessions) / users) ** self.rarity).astype(np.float32)
        return self

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        alike = (histories @ self._fitted(self._lookup)).tocsr()
        row = np.repeat(np.arange(alike.shape[0]), np.diff(alike.indptr))
        best = best_first(row, alike.data)
        best = best[places(row) < self.neighbours]
        row, session, similarity = row[best], alike.indices[best], alike.data[best]
        recency = histories.toarray()
        scores = np.zeros_like(recency)
        work = np.cumsum(np.append(0, np.diff(self._fitted(self._sessions).indptr)[session]))
        for low, high in cuts(work, _ENTRIES_AT_A_TIME):
            part = slice(low, high)
            scores += self._told(row[part], session[part], similarity[part], recency).toarray()
        scores *= self._fitted(self._rarity)
        return scores

    def _told(
        self, row: np.ndarray, session: np.ndarray, similarity: np.ndarray, recency: np.ndarray
    ) -> sparse.csr_matrix:
        """What pairs of a row and a neighbouring session, which shares an item with it, say of all items."""
        sessions = self._fitted(self._sessions)
        lengths = np.diff(sessions.indptr)[session]
        entries, _ = expand(sessions.indptr[session].astype(np.int64), lengths)
        pair, first = np.repeat(np.arange(len(row)), lengths), np.cumsum(lengths) - lengths
        item, place = sessions.indices[entries], sessions.data[entries]
        newness = recency[row[pair], item]
        newest = newness == np.maximum.reduceat(newness, first)[pair]
        shared = np.maximum.reduceat(np.where(newest, place, 0), first)
        weight = similarity[pair] * np.float32(self.distance_decay) ** np.abs(place - shared[pair])
        return sparse.csr_matrix((weight, (row[pair], item)), shape=recency.shape, dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Write `items.parquet`, `sessions.npz`, `lookup.npz`, `rarity.npy` and `session_knn.json`."""
        sparse.save_npz(folder / "sessions.npz", self._fitted(self._sessions))
        sparse.save_npz(folder / "lookup.npz", self._fitted(self._lookup))
        np.save(folder / "rarity.npy", self._fitted(self._rarity))
        self._fitted(self._items).save(folder / "items.parquet")
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "session_knn.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "session_knn.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        model._sessions = sparse.load_npz(folder / "sessions.npz")
        model._lookup = sparse.load_npz(folder / "lookup.npz")
        model._rarity = np.load(folder / "rarity.npy")
        return model

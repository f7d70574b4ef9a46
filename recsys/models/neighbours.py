"""The neighbours of every item as a sparse matrix, and recommendations from users' histories by way of them.

This is the batch form of `recsys.models.online`: the same formula over many users at a time.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from recsys.models.base import NEIGHBOURS
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.online import MS_PER_DAY, POSITION_DECAY
from recsys.schema import Columns

# Products of a history item and a neighbour held at a time; some 50 bytes each.
_PRODUCTS_AT_A_TIME = 4_000_000


class Neighbours:
    """Rows of neighbours, best first, in compressed sparse row form.

    Attributes:
        items: all items of rows and entries.
        starts: int64, one more than items: row i is `starts[i]:starts[i + 1]`.
        targets: int32 codes of the neighbours.
        scores: float32, above 0.
    """

    def __init__(self, items: IdMap, starts: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> None:
        self.items, self.starts, self.targets, self.scores = items, starts, targets, scores

    @classmethod
    def from_frames(cls, items: IdMap, frames: Iterable[pl.DataFrame], key: str, neighbour: str) -> Self:
        """From long frames (`key`, `neighbour`, `score`, `rank`), a row in one frame; scores of 0 do not count."""
        rows, targets, scores = [], [], []
        for frame in frames:
            entries = frame.filter(pl.col(Columns.SCORE) > 0).sort(key, Columns.RANK)
            rows.append(items.codes(entries[key]))
            targets.append(items.codes(entries[neighbour]))
            scores.append(entries[Columns.SCORE].to_numpy().astype(np.float32))
        return cls.from_entries(items, _joined(rows, np.int32), _joined(targets, np.int32), _joined(scores, np.float32))

    @classmethod
    def from_entries(cls, items: IdMap, rows: np.ndarray, targets: np.ndarray, scores: np.ndarray) -> Self:
        """From parallel arrays, each row's entries in order of rank."""
        if np.any(np.diff(rows) < 0):
            order = np.argsort(rows, kind="stable")
            rows, targets, scores = rows[order], targets[order], scores[order]
        starts = np.searchsorted(rows, np.arange(len(items) + 1)).astype(np.int64)
        return cls(items, starts, targets, scores)

    def rows(self, codes: np.ndarray, k: int) -> pl.DataFrame:
        """The first `k` entries of these rows, in the order of `codes`; see `models.base.NEIGHBOURS`."""
        counts = np.minimum(self.starts[codes + 1] - self.starts[codes], k)
        entries, ranks = expand(self.starts[codes], counts)
        return pl.DataFrame(
            {
                Columns.ITEM: self.items.names(np.repeat(codes, counts)),
                Columns.SIMILAR_ITEM: self.items.names(self.targets[entries]),
                Columns.SCORE: self.scores[entries],
                Columns.RANK: ranks + 1,
            },
            schema=NEIGHBOURS,
        )

    def padded(self, codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours and scores of these rows, each padded to `size` with `UNKNOWN`; an unknown row is empty."""
        targets, scores = np.full((len(codes), size), UNKNOWN, np.int32), np.zeros((len(codes), size), np.float32)
        counts = np.where(codes == UNKNOWN, 0, np.minimum(self.starts[codes + 1] - self.starts[codes], size))
        entries, place = expand(self.starts[codes], counts)
        row = np.repeat(np.arange(len(codes)), counts)
        targets[row, place], scores[row, place] = self.targets[entries], self.scores[entries]
        return targets, scores

    def recommend(
        self,
        histories: pl.DataFrame,
        k: int,
        *,
        length: int,
        half_life_days: float,
        exclude: pl.DataFrame | None = None,
        allowed_items: pl.Series | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The best `k` items for every user, some users at a time, sorted by user.

        Args:
            histories: `user_id, item_id, timestamp`.
            length: how many of a user's last distinct items count.
            exclude: `user_id, item_id` pairs that must not come out.
            allowed_items: the only items that may come out; None allows all.

        Yields:
            `user_id, item_id, score, rank, based_on`: the item of the history that contributed most.
        """
        users = IdMap(histories[Columns.USER])
        history = _History(histories, users, self.items, length, half_life_days)
        allowed = np.ones(len(self.items), bool) if allowed_items is None else self.items.mask(allowed_items)
        banned = self._pairs(users, exclude)
        first = np.append(np.flatnonzero(np.diff(history.users, prepend=-1)), len(history.users))
        products = np.cumsum(np.append(0, self.starts[history.items + 1] - self.starts[history.items]))
        for low, high in cuts(products[first], _PRODUCTS_AT_A_TIME):
            yield self._best(history, slice(first[low], first[high]), users, allowed, banned, k)

    def _pairs(self, users: IdMap, exclude: pl.DataFrame | None) -> np.ndarray:
        """Sorted numbers of the excluded pairs, see `_number`."""
        if exclude is None:
            return np.empty(0, np.int64)
        user, item = users.codes(exclude[Columns.USER]), self.items.codes(exclude[Columns.ITEM])
        return np.sort(self._number(user, item)[(user != UNKNOWN) & (item != UNKNOWN)])  # np.unique is far slower

    def _number(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        return users.astype(np.int64) * len(self.items) + items

    def _best(
        self, history: "_History", part: slice, users: IdMap, allowed: np.ndarray, banned: np.ndarray, k: int
    ) -> pl.DataFrame:
        source = history.items[part]
        counts = self.starts[source + 1] - self.starts[source]
        entries, _ = expand(self.starts[source], counts)
        of = np.repeat(np.arange(part.start, part.stop), counts)
        kept = allowed[self.targets[entries]]
        pair = self._number(history.users[of], self.targets[entries])
        if len(banned):
            kept &= banned[np.minimum(np.searchsorted(banned, pair), len(banned) - 1)] != pair
        entries, of, pair = entries[kept], of[kept], pair[kept]
        contribution = history.weights[of] * self.scores[entries]

        order = np.argsort(pair, kind="stable")
        pair, of, contribution = pair[order], of[order], contribution[order]
        first = np.flatnonzero(np.diff(pair, prepend=-1))
        lengths = np.diff(first, append=len(pair))
        group = np.repeat(np.arange(len(first)), lengths)
        score = np.bincount(group, contribution, minlength=len(first)).astype(np.float32)
        # Of the history items whose contribution is largest, the newest; each group's first entry is its newest item.
        by_size = best_first(group, contribution.astype(np.float32))
        based_on = of[by_size[first]]

        user, item = np.divmod(pair[first], len(self.items))
        best = best_first(user, score)
        rank = places(user)
        best, rank = best[rank < k], rank[rank < k]
        return pl.DataFrame(
            {
                Columns.USER: users.names(user[best]),
                Columns.ITEM: self.items.names(item[best]),
                Columns.SCORE: score[best],
                Columns.RANK: (rank + 1).astype(np.uint32),
                Columns.BASED_ON: self.items.names(history.items[based_on[best]]),
            }
        )

    def save(self, folder: Path) -> None:
        """Write `items.parquet` and `neighbours.npz`."""
        self.items.save(folder / "items.parquet")
        np.savez(folder / "neighbours.npz", starts=self.starts, targets=self.targets, scores=self.scores)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote."""
        with np.load(folder / "neighbours.npz") as arrays:
            return cls(IdMap.load(folder / "items.parquet"), arrays["starts"], arrays["targets"], arrays["scores"])


class _History:
    """Users' last distinct known items, newest first within a user, as parallel arrays; users in order of code."""

    def __init__(self, histories: pl.DataFrame, users: IdMap, items: IdMap, length: int, half_life_days: float) -> None:
        last = (
            histories.group_by(Columns.USER, Columns.ITEM)
            .agg(pl.col(Columns.TIMESTAMP).max().dt.epoch("ms").alias("ms"))
            .sort(Columns.USER, "ms", Columns.ITEM, descending=[False, True, False])
        )
        user, ms = last[Columns.USER].rle_id().to_numpy(), last["ms"].to_numpy()
        moment = (np.diff(ms, prepend=0) != 0).cumsum()
        place, position = places(user), moment - moment[np.searchsorted(user, user)]
        age_days = (ms[np.searchsorted(user, user)] - ms) / MS_PER_DAY
        # `online.history_weight`, for all at once; a test holds the two together.
        weights = POSITION_DECAY**position * 0.5 ** (age_days / half_life_days)
        codes = items.codes(last[Columns.ITEM])
        # Items without neighbours drop out only now: they take a place in the history all the same.
        kept = (place < length) & (codes != UNKNOWN)
        self.users = users.codes(last[Columns.USER].filter(pl.Series(kept)))
        self.items, self.weights = codes[kept], weights[kept]


def expand(starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All indices of several ranges after one another, and the place of each in its own range."""
    total = int(counts.sum())
    place = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + place, place


def places(groups: np.ndarray) -> np.ndarray:
    """The place of each entry in its group, from 0; `groups` are sorted."""
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


def best_first(groups: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The order by group (sorted, from 0), then falling score (float32, above 0); equal scores stay in order."""
    # Bits of positive floats grow with their value, so one integer key does; a sort of nearly sorted keys is quick.
    falling = np.uint64(0xFFFFFFFF) - scores.view(np.uint32)
    return np.argsort((groups.astype(np.uint64) << np.uint64(32)) | falling, kind="stable")


def cuts(work: np.ndarray, limit: int) -> Iterator[tuple[int, int]]:
    """Ranges `low, high` of units that hold at most `limit` work, or a single unit; `work[i]` is that before unit i."""
    low = 0
    while low < len(work) - 1:
        high = max(int(np.searchsorted(work, work[low] + limit, side="right")) - 1, low + 1)
        yield low, high
        low = high


def _joined(parts: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0, kind)

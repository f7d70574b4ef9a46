"""What could be shown to a user: the lists of steps 3, 4 and 5, joined pair by pair."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.neighbours import places
from recsys.schema import Columns, Reason, RecommendationTable

# Where candidates come from. Of sources that rank an item equally high, the first one explains it.
SOURCES = {
    RecommendationTable.I2I: "i2i",
    RecommendationTable.PERSONALIZED: "personalized",
    RecommendationTable.DEFAULT: "default",
}
# The last one is for what no source has.
REASONS = (Reason.SIMILAR_TO_VIEWED, Reason.PERSONALIZED_FOR_YOU, Reason.POPULAR, Reason.NEW_TO_EXPLORE)


@dataclass(frozen=True)
class Candidates:
    """Pairs of a user and an item, each once, sorted by user and item, as parallel arrays of codes.

    Attributes:
        pairs: int64, see `pair_codes`; sorted.
        scores, ranks: float32, a row a source in the order of `SOURCES`; NaN where a source does not have the pair.
        based_on: int32, the item of the history that i2i names; `UNKNOWN` where it has none.
    """

    users: np.ndarray
    items: np.ndarray
    pairs: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray
    based_on: np.ndarray

    def __len__(self) -> int:
        return len(self.pairs)

    def take(self, kept: np.ndarray) -> "Candidates":
        """Some of the pairs: a mask, or positions in the order wanted."""
        return Candidates(
            self.users[kept],
            self.items[kept],
            self.pairs[kept],
            self.scores[:, kept],
            self.ranks[:, kept],
            self.based_on[kept],
        )

    def best_source(self) -> np.ndarray:
        """Per pair, which source ranks it highest, as an index of `SOURCES`; their number where none has it."""
        source = np.argmin(np.where(np.isnan(self.ranks), np.inf, self.ranks), axis=0)
        return np.where(self.without_source(), len(SOURCES), source)

    def without_source(self) -> np.ndarray:
        """Per pair, whether no source has it: it was dealt."""
        missing: np.ndarray = np.isnan(self.ranks).all(axis=0)
        return missing


def join_candidates(
    lists: Mapping[RecommendationTable, pl.DataFrame],
    users: IdMap,
    items: IdMap,
    *,
    everyone: np.ndarray,
    per_source: int,
    dealt: np.ndarray | None = None,
) -> Candidates:
    """Join the lists of several sources.

    Args:
        lists: per table, long: `key, item_id, score, rank`, `based_on` if it has one; ids not in the maps drop out.
            A list without `key` is everyone's.
        everyone: codes of the users that such a list is for.
        per_source: how many items of each list count.
        dealt: codes of pairs that are candidates whether or not a source has them.
    """
    coded = {table: _coded(frame, users, items, everyone, per_source) for table, frame in lists.items()}
    found = [pair_codes(part["user"], part["item"], len(items)) for part in coded.values()]
    # Sorting is six times faster here than np.unique, which hashes.
    pairs = np.sort(np.concatenate(found if dealt is None else [*found, dealt]))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    scores = np.full((len(SOURCES), len(pairs)), np.nan, np.float32)
    ranks = np.full((len(SOURCES), len(pairs)), np.nan, np.float32)
    based_on = np.full(len(pairs), UNKNOWN, np.int32)
    for row, table in enumerate(SOURCES):
        if table in coded:
            part = coded[table]
            places = np.searchsorted(pairs, pair_codes(part["user"], part["item"], len(items)))
            scores[row, places], ranks[row, places] = part[Columns.SCORE].to_numpy(), part[Columns.RANK].to_numpy()
            if Columns.BASED_ON in part.columns:
                based_on[places] = part[Columns.BASED_ON].to_numpy()
    user, item = np.divmod(pairs, max(1, len(items)))
    return Candidates(user.astype(np.int32), item.astype(np.int32), pairs, scores, ranks, based_on)


def best_of_each(users: np.ndarray, scores: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The `size` highest scores of each user: their positions, by user and best first, and their ranks from 1.

    Args:
        users: sorted codes.
        scores: one a row; NaN never comes out. Equal scores stay in the order they are in.
    """
    known = np.flatnonzero(~np.isnan(scores))
    order = known[order_within(users[known], scores[known])]
    ranks = places(users[known]) + 1  # ordering within users leaves them where they are
    return order[ranks <= size], ranks[ranks <= size].astype(np.uint32)


def order_within(users: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The order by user, then falling score (float32); equal scores stay in the order they are in."""
    bits = (scores.astype(np.float32) + np.float32(0)).view(np.int32)  # the sum turns -0 into 0
    # Integers in the order of the floats: of the negative ones, those with larger bits are smaller.
    rising = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits).astype(np.int64)
    return np.argsort((users.astype(np.int64) << 32) - rising, kind="stable")


def pair_codes(users: np.ndarray | pl.Series, items: np.ndarray | pl.Series, size: int) -> np.ndarray:
    """One int64 per pair, in the order of users and items; `size` is the number of items."""
    return np.asarray(users, dtype=np.int64) * size + np.asarray(items, dtype=np.int64)


def _coded(frame: pl.DataFrame, users: IdMap, items: IdMap, everyone: np.ndarray, per_source: int) -> pl.DataFrame:
    """`user, item, score, rank, based_on?` with codes instead of ids."""
    frame = frame.filter(pl.col(Columns.RANK) <= per_source)
    columns = {"item": items.codes(frame[Columns.ITEM])}
    if Columns.BASED_ON in frame.columns:
        columns[Columns.BASED_ON] = items.codes(frame[Columns.BASED_ON])
    if Columns.KEY in frame.columns:
        columns["user"] = users.codes(frame[Columns.KEY])
    coded = frame.select(Columns.SCORE, Columns.RANK).with_columns(
        pl.Series(name, codes) for name, codes in columns.items()
    )
    if "user" not in columns:
        coded = pl.DataFrame({"user": everyone}, schema={"user": pl.Int32}).join(coded, how="cross")
    return coded.filter((pl.col("user") != UNKNOWN) & (pl.col("item") != UNKNOWN))

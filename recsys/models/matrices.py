"""Between frames of ids and matrices of codes: what every model that multiplies matrices needs."""

import numpy as np
import polars as pl
from scipy import sparse

from recsys.models.id_map import UNKNOWN, IdMap
from recsys.schema import Columns


def matrix(pairs: pl.DataFrame, users: int, items: int) -> sparse.csr_matrix:
    """A row a user and a column an item, float32, from `user, item, weight` (codes)."""
    codes = pairs["user"].to_numpy(), pairs["item"].to_numpy()
    return sparse.csr_matrix((pairs["weight"].to_numpy(), codes), shape=(users, items), dtype=np.float32)


def history_matrix(
    events: pl.DataFrame, users: IdMap, items: IdMap, decay: float = 1.0, rating_power: float = 0.0
) -> sparse.csr_matrix:
    """What each user did, once an item; unknown ids go.

    Args:
        decay: weight of an item for every newer moment that the user has. What came at one moment, such as a basket,
            has one place; data without times therefore weigh 1 throughout.
        rating_power: an item also weighs log2(1 + Σ rating), 1 for what was done once, to this power; at 0 only that
            it was done counts. What is disliked on the whole weighs 0.
    """
    rating = pl.col(Columns.RATING).cast(pl.Float64).sum().clip(lower_bound=0)
    last = events.group_by(Columns.USER, Columns.ITEM).agg(pl.col(Columns.TIMESTAMP).max(), rating)
    place = pl.col(Columns.TIMESTAMP).rank("dense", descending=True).over(Columns.USER) - 1
    strength = (pl.col(Columns.RATING) + 1).log(2) ** rating_power
    last = last.with_columns(weight=pl.lit(decay, pl.Float64) ** place * strength)
    return pair_matrix(last, users, items, weight="weight")


def pair_matrix(pairs: pl.DataFrame, users: IdMap, items: IdMap, weight: str | None = None) -> sparse.csr_matrix:
    """A row a user and a column an item from pairs `user_id, item_id`; 1 where a pair is, or its weight."""
    coded = pl.DataFrame(
        {
            "user": users.codes(pairs[Columns.USER]),
            "item": items.codes(pairs[Columns.ITEM]),
            "weight": pairs[weight] if weight else np.ones(pairs.height, np.float32),
        }
    )
    known = coded.filter((pl.col("user") != UNKNOWN) & (pl.col("item") != UNKNOWN)).sort("user", "item")
    return matrix(known, len(users), len(items))


def unit_rows(codes: np.ndarray, items: int) -> sparse.csr_matrix:
    """A row for each code, with a 1 in its column."""
    ones = np.ones(len(codes), np.float32)
    return sparse.csr_matrix((ones, codes, np.arange(len(codes) + 1)), shape=(len(codes), items))


def known_codes(items: IdMap, ids: list[str]) -> np.ndarray:
    """The codes of those ids that the map knows, each once, sorted."""
    codes = np.unique(items.codes(pl.Series(ids, dtype=pl.String)))
    return codes[codes != UNKNOWN]


def ranked_frame(
    schema: pl.Schema, keys: pl.Series, items: IdMap, codes: np.ndarray, scores: np.ndarray, empty: float
) -> pl.DataFrame:
    """Rows of key, item, score and rank, named as in `schema`.

    Args:
        codes: the best items of each key, a row a key, best first.
        scores: their scores; places that score `empty` or less are left out.
    """
    found = scores > empty
    ranks = np.broadcast_to(np.arange(1, codes.shape[1] + 1, dtype=np.uint32), codes.shape)
    repeated = keys.gather(np.repeat(np.arange(len(keys), dtype=np.uint32), found.sum(axis=1)))
    columns = (repeated, items.names(codes[found]), pl.Series(scores[found]), pl.Series(ranks[found]))
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)

"""What lists are like, whether or not they are right: novelty, diversity, popularity bias, coverage.

With p(i) the share of users who know item i, of those in the history:

- *novelty*: mean of -log2 p(i) over a list (Vargas and Castells, RecSys 2011, with the popularity model); an item that
  nobody knows counts as if one user did.
- *popularity_bias*: log2 of the mean p(i) of a list over the mean p(i) of what its user knew (the lift of Abdollahpouri
  et al., 2019, in bits): 0 is as popular as the user's own choice, 1 twice as popular.
- *diversity*: one minus the mean cosine of all pairs of a list (Ziegler et al., WWW 2005). Items are described by their
  attributes, or, where nothing is known of items, by the users who know them. Only lists of two items or more have one.
- *user_coverage*: the share of users whose list is full, so k items long.
- *item_coverage*: the share of the catalogue that is in anybody's list.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from scipy import sparse

from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.judging import Lists
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.schema import Columns

PER_USER = ("novelty", "diversity", "popularity_bias", "user_coverage")
ITEM_COVERAGE = "item_coverage"

# Where items are described by users, these are mixed into so many numbers: the cosines stay as they are on average,
# with an error of a sixteenth for one pair and far less for the mean of many (Achlioptas 2003).
_PROJECTED = 256


class Catalogue:
    """What is known of the items of a dataset as of a split's history."""

    def __init__(self, data: EvaluationData, history: pl.DataFrame, *, seed: int = 0) -> None:
        self.items = IdMap(pl.concat([data.items[Columns.ITEM], history[Columns.ITEM].unique()]))
        known = history.select(Columns.USER, Columns.ITEM).unique()
        codes = self.items.codes(known[Columns.ITEM])
        self.users_of = np.bincount(codes, minlength=len(self.items))
        self.popularity = np.maximum(self.users_of, 1) / known[Columns.USER].n_unique()
        if data.attributes.is_empty():
            vectors = self._projected(codes, known[Columns.USER], seed)
        else:
            vectors = self._described(data.attributes)
        norms = np.sqrt(_squares(vectors))
        scale = sparse.diags_array(1 / np.where(norms > 0, norms, 1.0))
        self._vectors = scale @ vectors
        self._has_vector = (norms > 0).astype(np.float64)

    def _described(self, attributes: pl.DataFrame) -> sparse.csr_array:
        named = attributes.filter(pl.Series(self.items.codes(attributes[Columns.ITEM]) != UNKNOWN))
        names = IdMap(named["attribute"])
        where = self.items.codes(named[Columns.ITEM]), names.codes(named["attribute"])
        return sparse.coo_array((np.ones(named.height), where), shape=(len(self.items), len(names))).tocsr()

    def _projected(self, items: np.ndarray, user_ids: pl.Series, seed: int) -> np.ndarray:
        users = IdMap(user_ids)
        known = sparse.coo_array(
            (np.ones(len(items), np.float32), (items, users.codes(user_ids))), shape=(len(self.items), len(users))
        ).tocsr()
        signs = np.random.default_rng(seed).integers(0, 2, (len(users), _PROJECTED), dtype=np.int8)
        return np.asarray(known @ (2 * signs - 1).astype(np.float32))

    def measure(self, lists: Lists, cutoffs: Sequence[int]) -> pl.DataFrame:
        """`user_id` and the columns `metric@k` of all metrics of `PER_USER`, a row for each of the users."""
        users = IdMap(lists.users[Columns.USER])
        row, item, rank = self._coded(lists.items, users)
        past = lists.past.select(Columns.USER, Columns.ITEM).unique().with_columns(pl.lit(0).alias(Columns.RANK))
        past_row, past_item, _ = self._coded(past, users)
        past_popularity = _mean(past_row, self.popularity[past_item], len(users))
        columns: dict[str, np.ndarray] = {}
        for k in cutoffs:
            shown = rank <= k
            at, what = row[shown], item[shown]
            columns[f"novelty@{k}"] = _mean(at, -np.log2(self.popularity[what]), len(users))
            columns[f"diversity@{k}"] = self._diversity(at, what, len(users))
            lift = _mean(at, self.popularity[what], len(users)) / past_popularity
            columns[f"popularity_bias@{k}"] = np.log2(lift)
            columns[f"user_coverage@{k}"] = (np.bincount(at, minlength=len(users)) == k).astype(np.float64)
        frame = pl.DataFrame({Columns.USER: users.names(np.arange(len(users))), **columns})
        return frame.with_columns(pl.col(columns).fill_nan(None))

    def _coded(self, frame: pl.DataFrame, users: IdMap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Codes of users and items, and ranks, of the rows whose item is of the catalogue."""
        row, item = users.codes(frame[Columns.USER]), self.items.codes(frame[Columns.ITEM])
        known = item != UNKNOWN
        return row[known], item[known], frame[Columns.RANK].to_numpy()[known]

    def _diversity(self, rows: np.ndarray, items: np.ndarray, users: int) -> np.ndarray:
        """With unit vectors, the cosines of all pairs of a list sum to |Σ v|² - Σ |v|², so no pair is looked at."""
        chosen = sparse.coo_array(
            (np.ones(len(rows), np.float32), (rows, items)), shape=(users, len(self.items))
        ).tocsr()
        total = chosen @ self._vectors
        count = np.bincount(rows, minlength=users).astype(np.float64)
        pairs = count * (count - 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(pairs > 0, 1 - (_squares(total) - chosen @ self._has_vector) / pairs, np.nan)


def _mean(rows: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    """The mean of the values of each row; NaN for rows without any."""
    with np.errstate(invalid="ignore"):
        return np.bincount(rows, values, size) / np.bincount(rows, minlength=size)


def _squares(rows: "np.ndarray | sparse.csr_array") -> np.ndarray:
    """The squared length of each row."""
    if isinstance(rows, np.ndarray):
        return np.einsum("ij,ij->i", rows, rows)
    return np.asarray(rows.multiply(rows).sum(axis=1))

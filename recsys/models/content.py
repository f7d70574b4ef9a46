"""Items alike by what is known of them, whoever bought them: the model that knows new items too.

Categories, brands and other words that are one value are compared as such, numbers by the tenth of the catalogue they
fall in, each weighted by its inverse document frequency (Salton & Buckley 1988). Texts go through TF-IDF and a singular
value decomposition (latent semantic analysis, Deerwester et al. 1990), fitted on the catalogue.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer

from recsys.errors import BadInputError
from recsys.models.base import check_interactions
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.scoring import ScoringModel
from recsys.schema import Columns

_BINS = 10  # of numbers


class Content(ScoringModel):
    """The cosine of items' attributes, summed over the history, times the logarithm of the item's users."""

    name = "content"

    def __init__(
        self,
        *,
        text: Sequence[str] = (Columns.TITLE,),
        text_factors: int = 64,
        text_weight: float = 1.0,
        history_decay: float = 0.8,
        seed: int = 42,
    ) -> None:
        """Set up.

        Args:
            text: the columns that are texts.
            text_factors: numbers that a text becomes.
            text_weight: what the cosine of texts counts against that of the other attributes.
            history_decay: see `ScoringModel`.
        """
        self.text, self.text_factors, self.text_weight = list(text), text_factors, text_weight
        self.history_decay, self.seed = history_decay, seed
        self._catalogue: pl.DataFrame | None = None
        self._attributes: sparse.csr_matrix | None = None
        self._texts: np.ndarray | None = None
        self._popularity: np.ndarray | None = None

    def describe(self, items: pl.DataFrame) -> Self:
        self._catalogue = items.drop(Columns.IS_AVAILABLE, strict=False)
        return self

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn the catalogue; interactions only say how popular its items are.

        Raises:
            BadInputError: see `check_interactions`, or nothing is known of the items (`describe` has not been called).
        """
        frame = check_interactions(interactions)
        if self._catalogue is None or self._catalogue.width < 2:
            raise BadInputError(
                "Nothing is known of the items.", remedy="Call describe() with item_id and columns of attributes."
            )
        catalogue = self._catalogue.unique(Columns.ITEM).sort(Columns.ITEM)
        self._items = IdMap(catalogue[Columns.ITEM])
        self._attributes = _attribute_matrix(catalogue.drop(self.text, strict=False), self._items)
        self._texts = self._text_vectors(catalogue)
        seen = self._items.codes(frame.unique([Columns.USER, Columns.ITEM])[Columns.ITEM])
        users = np.bincount(seen[seen != UNKNOWN], minlength=len(self._items))
        # Items that nobody has seen yet keep a weight: to know them is the point of this model.
        self._popularity = np.log(users + 2.0).astype(np.float32)
        return self

    def _text_vectors(self, catalogue: pl.DataFrame) -> np.ndarray:
        """A row an item, of the length √text_weight, or of 0 where there is no text."""
        columns = [pl.col(name).fill_null("") for name in self.text if name in catalogue.columns]
        texts = catalogue.select(pl.concat_str(columns, separator=" ")).to_series() if columns else pl.Series([""])
        if not texts.str.contains(r"\w\w").any():
            return np.zeros((catalogue.height, 1), np.float32)
        words = TfidfVectorizer(sublinear_tf=True, dtype=np.float32).fit_transform(texts.to_list())
        factors = min(self.text_factors, min(words.shape) - 1)
        if factors < 1:
            return np.zeros((catalogue.height, 1), np.float32)
        vectors = TruncatedSVD(factors, random_state=self.seed).fit_transform(words)
        norms = np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return (vectors / norms * np.sqrt(self.text_weight)).astype(np.float32)

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        attributes, texts = self._fitted(self._attributes), self._fitted(self._texts)
        scores = ((histories @ attributes) @ attributes.T).toarray()
        scores += (histories @ texts) @ texts.T
        scores *= self._fitted(self._popularity)
        return scores

    def save(self, folder: Path) -> None:
        """Write `items.parquet`, `attributes.npz`, `vectors.npz` and `content.json`."""
        sparse.save_npz(folder / "attributes.npz", self._fitted(self._attributes))
        np.savez(folder / "vectors.npz", texts=self._fitted(self._texts), popularity=self._fitted(self._popularity))
        self._fitted(self._items).save(folder / "items.parquet")
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "content.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        model = cls(**json.loads((folder / "content.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        model._attributes = sparse.load_npz(folder / "attributes.npz")
        with np.load(folder / "vectors.npz") as arrays:
            model._texts, model._popularity = arrays["texts"], arrays["popularity"]
        return model


def _attribute_matrix(catalogue: pl.DataFrame, items: IdMap) -> sparse.csr_matrix:
    """A row an item of length 1 (0 where nothing is known), a column an attribute, weighted by rarity."""
    parts = [pl.DataFrame(schema={Columns.ITEM: pl.String, "attribute": pl.String})]
    for name, kind in catalogue.schema.items():
        if name == Columns.ITEM:
            continue
        values = catalogue.select(Columns.ITEM, pl.col(name).alias("value"))
        if isinstance(kind, pl.List):
            values = values.explode("value")
        elif kind.is_numeric():
            tenth = pl.col("value").rank("average") * _BINS / (pl.col("value").count() + 1)
            values = values.with_columns(tenth.floor().cast(pl.Int64).alias("value"))
        value = pl.col("value").cast(pl.String)
        named = values.drop_nulls().select(Columns.ITEM, pl.concat_str(pl.lit(f"{name}="), value).alias("attribute"))
        parts.append(named)
    entries = pl.concat(parts).unique()
    attributes = IdMap(entries["attribute"])
    rows, columns = items.codes(entries[Columns.ITEM]), attributes.codes(entries["attribute"])
    frequency = np.bincount(columns, minlength=len(attributes))
    rarity = np.log((1 + len(items)) / (1 + frequency)) + 1e-6
    matrix = sparse.csr_matrix((rarity[columns], (rows, columns)), shape=(len(items), len(attributes)))
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    return (sparse.diags(1 / np.maximum(length, 1e-9)) @ matrix).tocsr().astype(np.float32)

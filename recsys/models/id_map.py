"""String ids at every boundary, dense integers inside a model: the map between the two."""

from pathlib import Path

import numpy as np
import polars as pl

UNKNOWN = -1


class IdMap:
    """Ids numbered 0 … n-1 in sorted order, so that the same ids always get the same codes.

    An id that was not there when the map was made has the code `UNKNOWN` (-1); it is never an error.
    """

    def __init__(self, ids: pl.Series) -> None:
        self._names = ids.cast(pl.String).drop_nulls().unique().sort().alias("id")

    @classmethod
    def load(cls, path: Path) -> "IdMap":
        """Read what `save` wrote."""
        return cls(pl.read_parquet(path)["id"])

    def save(self, path: Path) -> None:
        """Write the ids as a one-column Parquet file, in the order of their codes."""
        self._names.to_frame().write_parquet(path)

    def __len__(self) -> int:
        return len(self._names)

    def codes(self, ids: pl.Series) -> np.ndarray:
        """The codes of `ids`, int32, in the same order; `UNKNOWN` for new ids and nulls."""
        table = self._names.to_frame().with_row_index("code")
        wanted = ids.cast(pl.String).alias("id").to_frame()
        found = wanted.join(table, on="id", how="left", maintain_order="left")["code"]
        return found.cast(pl.Int32).fill_null(UNKNOWN).to_numpy()

    def mask(self, ids: pl.Series) -> np.ndarray:
        """A flag per code: whether it is among `ids`."""
        codes = self.codes(ids)
        flags = np.zeros(len(self), bool)
        flags[codes[codes != UNKNOWN]] = True
        return flags

    def names(self, codes: np.ndarray) -> pl.Series:
        """The ids of `codes`, in the same order; every code must be one of 0 … n-1."""
        return self._names.gather(np.asarray(codes, dtype=np.uint32))

"""What a load did, and the file that keeps the rows it rejected."""

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import polars as pl

from recsys.schema import RawTable
from recsys.settings import home
from recsys.sources.base import REASON


@dataclass
class TableLoad:
    """One input's share in one raw table. `already_loaded`: nothing was done, `load_id` names the earlier load."""

    file: str
    table: RawTable
    load_id: int
    already_loaded: bool = False
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    rejected_file: Path | None = None

    @property
    def read(self) -> int:
        """Rows seen."""
        return self.accepted + self.rejected.total()


@dataclass
class LoadReport:
    """What a load did to a dataset."""

    dataset: str
    loads: list[TableLoad] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether any rows are new."""
        return any(not load.already_loaded for load in self.loads)


class RejectedRows:
    """Keeps rejected rows in `RECSYS_HOME/rejected`, as CSV; the files appear when the load has been committed."""

    def __init__(self, dataset: str) -> None:
        self.dataset = dataset
        self.folder = home() / "rejected"
        self._open: dict[Path, IO[bytes]] = {}

    def add(self, load: TableLoad, rows: pl.DataFrame) -> None:
        """Append rows and count their reasons."""
        load.rejected.update(dict(rows.get_column(REASON).value_counts().iter_rows()))
        load.rejected_file = self.folder / f"{self.dataset}-{load.load_id}-{load.table}.csv"
        stream = self._open.get(load.rejected_file)
        if stream is None:
            # Nobody else's business: these are rows about customers.
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = self._open[load.rejected_file] = self._part(load.rejected_file).open("wb")
            rows.head(0).write_csv(stream)
        rows.write_csv(stream, include_header=False)

    @contextlib.contextmanager
    def collecting(self) -> Iterator[None]:
        """Nothing stays of a load that fails, nor of an earlier one that was killed."""
        for leftover in self.folder.glob(f"{self.dataset}-*.part"):
            leftover.unlink()
        try:
            yield
        except BaseException:
            for path, stream in self._open.items():
                stream.close()
                self._part(path).unlink()
            raise
        for path, stream in self._open.items():
            stream.close()
            self._part(path).replace(path)

    @staticmethod
    def _part(path: Path) -> Path:
        return path.with_name(f"{path.name}.part")

"""The next item of a session by a recurrent network: GRU4Rec.

Hidasi et al., "Session-based Recommendations with Recurrent Neural Networks", ICLR 2016: session-parallel mini-batches;
Hidasi and Karatzoglou, "Recurrent Neural Networks with Top-k Gains for Session-based Recommendations", CIKM 2018: drawn
negatives besides the batch's own, cross-entropy and BPR-max losses, constrained embeddings. It needs the extra
`neural` (PyTorch), which nothing else does.
"""

import importlib
import json
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl
from scipy import sparse

from recsys.errors import BadInputError, NotReadyError
from recsys.models.id_map import UNKNOWN, IdMap
from recsys.models.neighbours import expand
from recsys.models.scoring import ScoringModel
from recsys.models.sessions import by_session, sequence_matrix
from recsys.schema import Columns

if TYPE_CHECKING:
    from recsys.models.gru4rec_network import Trainer

_LOSSES = ("cross_entropy", "bpr_max")


class Gru4Rec(ScoringModel):
    """Scores are the probabilities of the items to be the session's next one."""

    name = "gru4rec"

    def __init__(
        self,
        *,
        units: int = 100,
        loss: str = "bpr_max",
        epochs: int = 5,
        lanes: int = 64,
        learning_rate: float = 0.05,
        samples: int = 2_048,
        sample_power: float = 0.5,
        dropout_items: float = 0.0,
        dropout_states: float = 0.3,
        strength: float = 1.0,
        longest: int = 50,
        seed: int = 42,
    ) -> None:
        """Set up.

        Args:
            units: of the GRU layer, and numbers that describe an item.
            loss: `cross_entropy` or `bpr_max`.
            epochs: how often each session is learnt from.
            lanes: sessions side by side; the items of the others are negatives of each.
            learning_rate: of Adagrad.
            samples: further negatives drawn at each step, for all lanes.
            sample_power: power of an item's frequency that its chance to be drawn grows with.
            dropout_items: share of an item's numbers that is left out when it comes in.
            dropout_states: share of the layer's output that is left out.
            strength: of the regularization in `bpr_max`.
            longest: items of a session that a recommendation follows from at most, the newest ones.

        Raises:
            BadInputError: there is no such loss.
        """
        if loss not in _LOSSES:
            raise BadInputError(f"There is no loss {loss!r}.", remedy=f"Choose one of {', '.join(_LOSSES)}.")
        self.units, self.loss, self.epochs, self.lanes, self.learning_rate = units, loss, epochs, lanes, learning_rate
        self.samples, self.sample_power, self.strength = samples, sample_power, strength
        self.dropout_items, self.dropout_states = dropout_items, dropout_states
        self.longest, self.seed = longest, seed
        self._trainer: Trainer | None = None
        self._counts = np.zeros(0)  # how often each item was learnt

    def fit(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Learn from sessions, see `sessions.by_session`; the same data and seed give the same model.

        Raises:
            BadInputError: see `check_interactions`, or no session goes from one item to another.
            NotReadyError: PyTorch is not installed.
        """
        self._items = self._trainer = None
        return self.update(interactions, now=now)

    def update(self, interactions: pl.DataFrame, *, now: datetime) -> Self:
        """Go on learning from newer sessions; items that are new take their place beside the old ones.

        A model that has learnt nothing yet learns as by `fit`; the same errors.
        """
        frame = by_session(interactions, now=now)
        sessions, seen = IdMap(frame[Columns.USER]), IdMap(frame[Columns.ITEM])
        sequences = sequence_matrix(frame, sessions, seen, seed=self.seed)
        lengths = np.diff(sequences.indptr)
        newest = frame.group_by(Columns.USER).agg(pl.col(Columns.TIMESTAMP).max()).sort(Columns.USER)
        order = np.argsort(newest[Columns.TIMESTAMP].dt.epoch("ms").to_numpy(), kind="stable")
        order = order[lengths[order] > 1]
        if not len(order):
            raise BadInputError(
                "No session goes from one item to another, so there is no next item to learn.",
                remedy="Give sessions or histories of at least two items.",
            )
        # What was only ever seen alone has taught nothing: it stays unknown.
        codes = self._add(seen.names(np.unique(sequences[order].indices))).codes(seen.names(sequences.indices))
        self._counts += np.bincount(codes[codes != UNKNOWN], minlength=self.size)
        self._fitted(self._trainer).learn(
            codes.astype(np.int64),
            sequences.indptr[order].astype(np.int64),
            lengths[order],
            self._counts**self.sample_power,
            loss=self.loss,
            epochs=self.epochs,
            lanes=self.lanes,
            samples=self.samples,
            dropout=(self.dropout_items, self.dropout_states),
            strength=self.strength,
            seed=self.seed,
        )
        return self

    def _add(self, names: pl.Series) -> IdMap:
        """Make room for these items beside those known."""
        network = _network()
        if self._items is None or self._trainer is None:
            self._items = IdMap(names)
            self._trainer = network.Trainer(self.size, self.units, self.learning_rate, self.seed)
            self._counts = np.zeros(self.size)
            return self._items
        known = self._items.names(np.arange(self.size))
        self._items = IdMap(pl.concat([known, names.alias(known.name)]))
        kept = self._items.codes(known)
        self._trainer = self._trainer.grown(self.size, kept)
        counts = np.zeros(self.size)
        counts[kept] = self._counts
        self._counts = counts
        return self._items

    def _rows(self, histories: pl.DataFrame, users: IdMap, items: IdMap) -> sparse.csr_matrix:
        return sequence_matrix(histories, users, items)

    def _scores(self, histories: sparse.csr_matrix) -> np.ndarray:
        ends = histories.indptr[1:].astype(np.int64)
        lengths = np.minimum(np.diff(histories.indptr), self.longest).astype(np.int64)
        entries, place = expand(ends - lengths, lengths)
        padded = np.zeros((len(lengths), lengths.max()), np.int64)
        padded[np.repeat(np.arange(len(lengths)), lengths), place] = histories.indices[entries]
        return self._fitted(self._trainer).network.probabilities(padded, lengths)

    def save(self, folder: Path) -> None:
        """Write `network.pt`, `counts.npy`, `items.parquet` and `gru4rec.json`; `load` needs the extra `neural` too."""
        self._fitted(self._trainer).save(folder / "network.pt")
        np.save(folder / "counts.npy", self._counts)
        self._fitted(self._items).save(folder / "items.parquet")
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        (folder / "gru4rec.json").write_text(json.dumps(options))

    @classmethod
    def load(cls, folder: Path) -> Self:
        network = _network()
        model = cls(**json.loads((folder / "gru4rec.json").read_text()))
        model._items = IdMap.load(folder / "items.parquet")
        model._counts = np.load(folder / "counts.npy")
        trainer = network.Trainer(model.size, model.units, model.learning_rate, model.seed)
        model._trainer = trainer.restore(folder / "network.pt")
        return model


def _network() -> ModuleType:
    """The module that imports PyTorch.

    Raises:
        NotReadyError: PyTorch is not installed.
    """
    try:
        return importlib.import_module("recsys.models.gru4rec_network")
    except ModuleNotFoundError as error:
        raise NotReadyError(
            f"The model 'gru4rec' needs PyTorch, and {error.name} is not installed.",
            remedy="Install what the extra 'neural' names: pip install 'torch>=2.13'.",
        ) from None

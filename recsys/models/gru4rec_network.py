"""The recurrent network of GRU4Rec in PyTorch, which only this module imports."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from recsys.models.sessions import session_parallel

_MASKED = -1e3  # its exponential is 0, and its square is finite
_ROWS_AT_A_TIME = 2_000  # sequences whose states are held at a time: some 40 MB, however small the catalogue is


def cross_entropy(scores: torch.Tensor, strength: float) -> torch.Tensor:
    """Softmax over the target and the negatives of each row; the target of row i is column i."""
    return functional.cross_entropy(scores, torch.arange(len(scores)))


def bpr_max(scores: torch.Tensor, strength: float) -> torch.Tensor:
    """Hidasi and Karatzoglou 2018, equation 10, with their regularization of the negatives' scores by `strength`."""
    targets = scores.diagonal()[:, None]
    others = torch.ones_like(scores, dtype=torch.bool).fill_diagonal_(False)
    weight = functional.softmax(scores.masked_fill(~others, _MASKED), dim=1)
    won = (weight * torch.sigmoid(targets - scores)).sum(dim=1)
    return (strength * (weight * scores.square()).sum(dim=1) - torch.log(won + 1e-12)).mean()


LOSSES: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {"cross_entropy": cross_entropy, "bpr_max": bpr_max}


class Network(nn.Module):
    """Item embeddings, which serve as input and as output (the paper's constrained embeddings), around a GRU layer."""

    def __init__(self, items: int, units: int) -> None:
        super().__init__()
        # Sparse gradients: a step touches some thousand items, whatever the size of the catalogue.
        self.items = nn.Embedding(items, units, sparse=True)
        self.bias = nn.Embedding(items, 1, sparse=True)
        self.gru = nn.GRU(units, units, batch_first=True)
        bound = (6 / (items + units)) ** 0.5
        nn.init.uniform_(self.items.weight, -bound, bound)
        nn.init.zeros_(self.bias.weight)

    def probabilities(self, sequences: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """How probable each item is as the next one, float32 (rows, items), after sequences padded on the right."""
        with torch.inference_mode():
            parts = zip(
                torch.from_numpy(sequences).split(_ROWS_AT_A_TIME),
                torch.from_numpy(lengths).split(_ROWS_AT_A_TIME),
                strict=True,
            )
            last = torch.cat([self._last(*part) for part in parts])
            scores = last @ self.items.weight.T + self.bias.weight.T
            found: np.ndarray = functional.softmax(scores, dim=1).numpy()
        return found

    def _last(self, sequences: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """The state after each sequence."""
        states, _ = self.gru(self.items(sequences))
        return states[torch.arange(len(states)), lengths - 1]


class Trainer:
    """A network and its optimizer (Adagrad), whose state is kept so that learning can go on later."""

    def __init__(self, items: int, units: int, learning_rate: float, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Network(items, units)
        self._settings = units, learning_rate, seed
        self._optimizer = torch.optim.Adagrad(self.network.parameters(), lr=learning_rate)

    def grown(self, items: int, kept: np.ndarray) -> "Trainer":
        """The same with more items: the old ones go to the places `kept`, the others start anew."""
        other = Trainer(items, *self._settings)
        names = zip(self.network.named_parameters(), other.network.named_parameters(), strict=True)
        with torch.no_grad():
            for (name, old), (_, new) in names:
                rows = slice(None) if name.startswith("gru") else torch.tensor(kept)
                new[rows] = old
                other._optimizer.state[new]["sum"][rows] = self._optimizer.state[old]["sum"]
        return other

    def save(self, path: Path) -> None:
        """Write the weights and the optimizer's state as a PyTorch file."""
        torch.save({"network": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}, path)

    def restore(self, path: Path) -> "Trainer":
        """Read what `save` wrote, tensors only: such a file cannot run code."""
        saved = torch.load(path, weights_only=True)
        self.network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self.network.eval()
        return self

    def learn(
        self,
        items: np.ndarray,
        starts: np.ndarray,
        lengths: np.ndarray,
        popularity: np.ndarray,
        *,
        loss: str,
        epochs: int,
        lanes: int,
        samples: int,
        dropout: tuple[float, float],
        strength: float,
        seed: int,
    ) -> None:
        """Go over sessions `epochs` times; see `session_parallel`, and `Gru4Rec` for the options.

        Args:
            items: the codes of all sessions' items, int64.
            popularity: of each item; the chance to be drawn as a negative is in proportion.
        """
        random = np.random.default_rng(seed)
        upto = np.cumsum(popularity) / popularity.sum()
        codes = torch.from_numpy(items)
        network = self.network.train()
        with _steps_alone(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for _ in range(epochs):
                state = torch.zeros(1, min(lanes, len(starts)), network.gru.hidden_size)
                for place, begins, stays in session_parallel(starts, lengths, lanes):
                    state = state[:, torch.from_numpy(stays)].detach()
                    state[:, torch.from_numpy(begins)] = 0
                    targets = codes[place + 1]
                    drawn = np.minimum(np.searchsorted(upto, random.random(samples)), len(upto) - 1)
                    candidates = torch.cat([targets, torch.from_numpy(drawn)])
                    inputs = functional.dropout(network.items(codes[place]), dropout[0])
                    states, state = network.gru(inputs[:, None], state)
                    states = functional.dropout(states[:, 0], dropout[1])
                    scores = states @ network.items(candidates).T + network.bias(candidates).T
                    # A negative that is the target itself would push it away.
                    same = (targets[:, None] == candidates).fill_diagonal_(False)
                    self._optimizer.zero_grad()
                    LOSSES[loss](scores.masked_fill(same, _MASKED), strength).backward()
                    self._optimizer.step()
        network.eval()


@contextmanager
def _steps_alone() -> Iterator[None]:
    """One thread: a step is too small to share out, and where the cores are busy a second thread costs ten times.

    Sparse gradients are not checked, as by default; said aloud, PyTorch does not warn of it.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.sparse.check_sparse_tensor_invariants(enable=False):
            yield
    finally:
        torch.set_num_threads(threads)

"""One split with all that models are measured by on it, so that every model meets the same users and resamples."""

import time
from collections.abc import Sequence

import numpy as np
import polars as pl

from recsys.evaluation import peak_memory
from recsys.evaluation.beyond import ITEM_COVERAGE, PER_USER, Catalogue
from recsys.evaluation.bootstrap import Bootstrap
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.judging import Judged, Lists, lists_of
from recsys.evaluation.metrics import METRICS, evaluate
from recsys.evaluation.protocols.base import Split
from recsys.evaluation.result import ModelResult
from recsys.evaluation.segments import COLD, NEW_ITEMS, judge_cold, new_items, users_by_segment
from recsys.schema import Columns


def metric_names(cutoffs: Sequence[int]) -> list[str]:
    """All metrics that have a value a user, such as `ndcg@10`."""
    return [f"{metric}@{k}" for k in sorted(set(cutoffs)) for metric in (*METRICS, *PER_USER)]


class Bench:
    """Fits and judges models on a split.

    Attributes:
        users: who is judged; one column, sorted.
    """

    def __init__(self, data: EvaluationData, split: Split, cutoffs: Sequence[int]) -> None:
        self.split, self.cutoffs = split, sorted(set(cutoffs))
        self.users = split.truth.select(Columns.USER).unique().sort(Columns.USER)
        self._accuracy = [f"{metric}@{k}" for k in self.cutoffs for metric in METRICS]
        self._items = data.items_at(split.cut)
        self._catalogue = Catalogue(data, split.history)
        self._described = data.items_at(split.cut)
        self._bootstrap = Bootstrap(self.users, split.groups)
        self._segments = users_by_segment(split)
        self._new = new_items(split)
        self._cold = judge_cold(split, self._accuracy, self.cutoffs[-1]) if split.cold.height else None

    def run(self, model: Judged) -> ModelResult:
        """Fit the model on the history, then list and measure for all users, a chunk at a time."""
        peak_memory.reset()
        started = time.monotonic()
        model.describe(self._described)
        model.fit(self.split.history, now=self.split.cut)
        fit_s = time.monotonic() - started
        score_s, parts, new = 0.0, [], []
        shown = {k: np.zeros(len(self._catalogue.items), bool) for k in self.cutoffs}
        for lists in lists_of(model, self.split, self.cutoffs[-1]):
            score_s += lists.seconds
            measured = evaluate(lists.items, lists.truth, self._accuracy).per_user
            parts.append(measured.join(self._catalogue.measure(lists, self.cutoffs), on=Columns.USER))
            new.append(self._of_new_items(lists))
            for k, seen in shown.items():
                seen |= self._catalogue.items.mask(lists.items.filter(pl.col(Columns.RANK) <= k)[Columns.ITEM])
        peak = peak_memory.megabytes()
        per_user = pl.concat(parts).sort(Columns.USER).select(Columns.USER, *metric_names(self.cutoffs))
        return ModelResult(
            per_user=per_user,
            coverage={f"{ITEM_COVERAGE}@{k}": float(seen.mean()) for k, seen in shown.items()},
            resampled=self._bootstrap.means(per_user.drop(Columns.USER).to_numpy()),
            segments=self._by_segment(per_user) | {NEW_ITEMS: pl.concat(new)},
            fit_s=fit_s,
            score_s=score_s,
            peak_memory_mb=peak,
        )

    def _of_new_items(self, lists: Lists) -> pl.DataFrame:
        truth = self._new.join(lists.users, on=Columns.USER, how="semi")
        return evaluate(lists.items, truth, self._accuracy).per_user

    def _by_segment(self, per_user: pl.DataFrame) -> dict[str, pl.DataFrame]:
        parts = self._segments.sort("segment").partition_by("segment", as_dict=True, include_key=False)
        apart = {str(name): per_user.join(users, on=Columns.USER, how="semi") for (name,), users in parts.items()}
        return apart if self._cold is None else apart | {COLD: self._cold}

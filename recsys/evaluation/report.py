"""What a comparison of models found: as a table, as JSON, as plots."""

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from recsys.errors import BadInputError, RecsysError
from recsys.evaluation import plots
from recsys.evaluation.result import ModelResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class EvaluationReport:
    """The results of several models on one split.

    Attributes:
        side: `test` or `validation`.
        users: how many were judged.
        models: by the name shown, in the order asked for.
        failed: why the others could not be measured.
    """

    dataset: str
    protocol: str
    side: str
    users: int
    models: dict[str, ModelResult] = field(default_factory=dict)
    failed: dict[str, RecsysError] = field(default_factory=dict)

    def table(self) -> pl.DataFrame:
        """A row a model: `model`, its metrics, `fit_s`, `score_s`."""
        rows = [
            {"model": name} | result.values | {"fit_s": result.fit_s, "score_s": result.score_s}
            for name, result in self.models.items()
        ]
        return pl.DataFrame(rows)

    def check_metric(self, name: str) -> str:
        """The name, if it is that of a metric with a value a user.

        Raises:
            BadInputError: it was not measured; the message lists those that were.
        """
        known = next(iter(self.models.values())).per_user.columns[1:]
        if name not in known:
            raise BadInputError(f"{name!r} was not measured.", remedy=f"These metrics were: {', '.join(known)}.")
        return name

    def best(self, metric: str) -> str:
        """The name of the model with the highest value."""
        return max(self.models, key=lambda name: self.models[name].values[self.check_metric(metric)])

    def differences(self, metric: str, reference: str | None = None) -> pl.DataFrame:
        """How far each other model is above `reference` (the best one if None), on the same users.

        Returns:
            `model, reference, difference, low, high`: the mean of the paired differences and its 95 % interval.
        """
        reference = reference or self.best(metric)
        rows = []
        for name, result in self.models.items():
            if name != reference:
                found = result.difference(self.models[reference])[self.check_metric(metric)]
                rows.append((name, reference, found.mean, *found.interval))
        kinds = {"model": pl.String, "reference": pl.String, "difference": pl.Float64, "low": pl.Float64}
        return pl.DataFrame(rows, schema=kinds | {"high": pl.Float64}, orient="row")

    def plot_coverage(self, metric: str, axes: "Axes | None" = None) -> "Axes":
        """See `plots.plot_coverage`."""
        return plots.plot_coverage(self, self.check_metric(metric), axes)

    def plot_segments(self, metric: str, axes: "Axes | None" = None) -> "Axes":
        """See `plots.plot_segments`."""
        return plots.plot_segments(self, self.check_metric(metric), axes)

    def save_plots(self, folder: Path, metric: str) -> list[Path]:
        """Write both plots as PNG files into `folder`, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        written = []
        for kind, plot in (("coverage", self.plot_coverage), ("segments", self.plot_segments)):
            path = folder / f"{self.dataset}_{self.protocol}_{kind}.png"
            plots.save(plot(metric), path)
            written.append(path)
        return written

    def as_dict(self) -> dict[str, Any]:
        """`{"dataset": …, "models": {name: {"recall@20": …, "fit_s": …, "intervals": …, …}}}`.

        Each model also has `segments` and, with other models, `differences`: this one minus the other.
        """
        models = {}
        for name, result in self.models.items():
            others = {
                other: {metric: asdict(found) for metric, found in result.difference(them).items()}
                for other, them in self.models.items()
                if other != name
            }
            models[name] = result.as_dict() | {"protocol": self.protocol, "side": self.side, "differences": others}
        return {"dataset": self.dataset, "models": models}

    def to_json(self, path: Path) -> None:
        """Write `as_dict` to a file; what is not a number becomes null."""
        path.write_text(json.dumps(_finite(self.as_dict()), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

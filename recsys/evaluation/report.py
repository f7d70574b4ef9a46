"""What a comparison of models found: as a table, as JSON, as plots."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from recsys.evaluation.result import ModelResult


@dataclass(frozen=True)
class EvaluationReport:
    """The results of several models on one split.

    Attributes:
        side: `test` or `validation`.
        users: how many were judged.
        models: by the name shown, in the order asked for.
    """

    dataset: str
    protocol: str
    side: str
    users: int
    models: dict[str, ModelResult]

    def table(self) -> pl.DataFrame:
        """A row a model: `model`, its metrics, `fit_s`, `score_s`."""
        rows = [
            {"model": name} | result.values | {"fit_s": result.fit_s, "score_s": result.score_s}
            for name, result in self.models.items()
        ]
        return pl.DataFrame(rows)

    def as_dict(self) -> dict[str, Any]:
        """`{"dataset": …, "models": {name: {"recall@20": …, "fit_s": …, "intervals": …, …}}}`.

        Each model also has `segments` and, with other models, `differences`: this one minus the other.
        """
        models = {}
        for name, result in self.models.items():
            others = {other: result.difference(them) for other, them in self.models.items() if other != name}
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

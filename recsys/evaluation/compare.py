"""Models side by side on one split: `evaluate("gowalla", ["ease", "als"], folder=…)`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import BadInputError
from recsys.evaluation.bench import Bench
from recsys.evaluation.datasets import known as datasets
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.protocols.base import Protocol, Side
from recsys.evaluation.protocols.known import PROTOCOLS
from recsys.evaluation.report import EvaluationReport
from recsys.models.base import Recommender
from recsys.models.known import make


def evaluate(
    dataset: str | EvaluationData,
    models: Sequence[str] | Mapping[str, Recommender],
    k: Sequence[int] = (10, 20),
    *,
    folder: Path | None = None,
    protocol: str | Protocol | None = None,
    side: Side = Side.TEST,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> EvaluationReport:
    """Fit each model on what the protocol shows of the dataset, and judge it by what it hides.

    Args:
        dataset: its name, with the `folder` of its files, or the data.
        models: names, or models that are not fitted yet by the names to show.
        k: cutoffs.
        protocol: its name or itself; None is the dataset's own.
        parameters: by model's name, when these are names.
        say: told what is being done.

    Raises:
        BadInputError: an unknown dataset, model, parameter or protocol, files that are missing, nobody to judge.
    """
    data = datasets.read(dataset, folder) if isinstance(dataset, str) else dataset
    rule = protocol if isinstance(protocol, Protocol) else _protocol(protocol, data)
    if not isinstance(models, Mapping):
        models = {name: make(name, **(parameters or {}).get(name, {})) for name in models}
    say(f"Splitting {data.name} by protocol {rule.name}")
    split = rule.split(data, side)
    bench = Bench(data, split, k)
    results = {}
    for name, model in models.items():
        say(f"{name}: fit and score")
        results[name] = bench.run(model)
    return EvaluationReport(data.name, rule.name, str(side), bench.users.height, results)


def _protocol(name: str | None, data: EvaluationData) -> Protocol:
    chosen = data.protocols[0] if name is None else name
    if chosen not in data.protocols:
        raise BadInputError(
            f"{data.name!r} cannot be cut by protocol {chosen!r}.",
            remedy=f"The protocols for it are: {', '.join(data.protocols)}.",
        )
    return PROTOCOLS[chosen]()

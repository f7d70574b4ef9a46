"""Models side by side on one split: `evaluate("gowalla", ["ease", "als"], folder=…)`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from recsys.errors import BadInputError, RecsysError
from recsys.evaluation.bench import Bench
from recsys.evaluation.datasets import known as datasets
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.judging import Judged
from recsys.evaluation.peers.known import make
from recsys.evaluation.protocols.base import Protocol, Side
from recsys.evaluation.protocols.known import choose
from recsys.evaluation.report import EvaluationReport

Parameters = Mapping[str, Mapping[str, Any]]


def evaluate(
    dataset: str | EvaluationData,
    models: Sequence[str] | Mapping[str, Judged],
    k: Sequence[int] = (10, 20),
    *,
    folder: Path | None = None,
    protocol: Protocol | None = None,
    side: Side = Side.TEST,
    parameters: Parameters | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> EvaluationReport:
    """Fit each model on what the protocol shows of the dataset, and judge it by what it hides.

    A model that fails is in the report's `failed`, so that the work on the others is not lost.

    Args:
        dataset: its name, with the `folder` of its files, or the data.
        models: names, or models that are not fitted yet by the names to show.
        k: cutoffs.
        protocol: None is the dataset's own.
        side: choose nothing by the test side.
        parameters: by model's name, when `models` are names.
        say: told what is being done.

    Raises:
        BadInputError: an unknown dataset, model or parameter, files that are missing, nobody to judge.
        RecsysError: that of the first model, when all of them failed.
    """
    if not k or min(k) < 1:
        raise BadInputError(f"k is {list(k)}; a cutoff is a whole number from 1.", remedy="Choose such as 10 and 20.")
    chosen = models if isinstance(models, Mapping) else made(models, parameters or {})
    say("Reading the data")
    data = datasets.read(dataset, folder) if isinstance(dataset, str) else dataset
    rule = protocol or choose(data)
    bench = Bench(data, rule.split(data, side), k)
    report = EvaluationReport(data.name, rule.name, str(side), bench.users.height)
    for name, model in chosen.items():
        say(f"{name}: fitting, and scoring {bench.users.height:,} users")
        try:
            found = report.models[name] = bench.run(model)
            # Told at once: what has been found is known even if a later model is interrupted.
            figures = ", ".join(
                f"{metric} {found.values[metric]:.4f}" for metric in (f"ndcg@{max(k)}", f"recall@{max(k)}")
            )
            say(f"{name}: {figures}; {found.fit_s:.0f} + {found.score_s:.0f} s")
        except RecsysError as error:
            report.failed[name] = error
    if not report.models:
        raise next(iter(report.failed.values()))
    return report


def made(names: Sequence[str], parameters: Parameters) -> dict[str, Judged]:
    """Unfitted models, ours and peers, by their names.

    Raises:
        BadInputError: none is named, one is not known, or there are parameters that belong to none of them.
    """
    if not names:
        raise BadInputError("No model is named.", remedy="Name at least one.")
    unused = sorted(parameters.keys() - set(names))
    if unused:
        raise BadInputError(
            f"There are parameters for {', '.join(unused)}, which is not evaluated.", remedy="Name it as a model too."
        )
    return {name: make(name, **parameters.get(name, {})) for name in names}

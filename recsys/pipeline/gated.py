"""What follows from a decision of the gate, the same for every model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recsys.evaluation.gate import Decision
from recsys.models.registry import ModelVersion, TrainingRun


def conclude(
    run: TrainingRun,
    decision: Decision,
    trained: ModelVersion,
    champion: ModelVersion | None,
    part: str,
    load: Callable[[Path], object],
) -> tuple[ModelVersion, dict[str, Any]]:
    """Promote the version if it was accepted, and write the decision down in MLflow as `gate.json`.

    An accepted version is first read back from where the service's pipelines will read it: files that were cut short
    on their way never go live.

    Args:
        champion: the version in service until now.
        part, load: which of the version's files, and how they are read.

    Returns:
        The version in service from now on, and the decision as plain JSON.

    Raises:
        IntegrityError: the files of an accepted version cannot be read back; the champion stays.
    """
    if decision.accepted:
        with run.registry.files(trained, part) as folder:
            load(folder)
        run.promote(trained)
    in_service = trained if decision.accepted or champion is None else champion
    report = decision.report() | {
        "trained_version": trained.version,
        "judged_against": champion.version if champion and decision.champion is not None else None,
        "champion_version": in_service.version,
        "mlflow": run.url,
    }
    run.log_report(report, "gate.json")
    return in_service, report

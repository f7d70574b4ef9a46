"""A comparison in MLflow: a run for each model, with its parameters, metrics and the whole of what was found."""

from collections.abc import Mapping
from typing import Any

from recsys.evaluation.report import EvaluationReport
from recsys.models.tracking import connect, experiment_id, log_metrics
from recsys.settings import MlflowSettings


def log_report(
    report: EvaluationReport, settings: MlflowSettings, parameters: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Log each model as a run of the experiment `{experiment}-evaluation`; returns the runs' ids.

    Args:
        parameters: by model's name; those left out are the model's defaults.

    Raises:
        UnavailableError: MLflow does not answer.
    """
    client = connect(settings)
    experiment = experiment_id(client, f"{settings.experiment}-evaluation")
    found = report.as_dict()["models"]
    runs = []
    for name, result in report.models.items():
        tags = {"dataset": report.dataset, "protocol": report.protocol, "side": report.side, "model": name}
        run = client.create_run(experiment, tags=tags, run_name=f"{name} on {report.dataset}").info.run_id
        for parameter, value in parameters.get(name, {}).items():
            client.log_param(run, parameter, value)
        log_metrics(client, run, result.values | {"fit_s": result.fit_s, "score_s": result.score_s})
        client.log_dict(run, found[name], "evaluation.json")
        client.set_terminated(run, "FINISHED")
        runs.append(run)
    return runs

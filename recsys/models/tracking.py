"""MLflow's client and what all runs there have in common. It takes seconds to import, so it is imported when used."""

import math
import os
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recsys.errors import UnavailableError
from recsys.settings import MlflowSettings


def connect(settings: MlflowSettings) -> Any:
    """An `MlflowClient` for tracking and registry.

    Raises:
        UnavailableError: the tracking server does not answer. Asked here, as MLflow itself retries for minutes.
    """
    uri = settings.tracking_uri
    if uri.startswith("http"):
        try:
            urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=10).close()  # noqa: S310
        except (urllib.error.URLError, OSError) as error:
            raise UnavailableError(
                f"MLflow at {uri} does not answer: {error}.",
                remedy="Start it (`recsys up`) or correct MLFLOW_TRACKING_URI.",
            ) from error
    # Read when MLflow is imported: nothing about a shop's training leaves for its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def experiment_id(client: Any, name: str) -> str:
    """The experiment of that name, made if it is new."""
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    return str(client.create_experiment(name, artifact_location=artifact_location(client.tracking_uri)))


def artifact_location(tracking_uri: str) -> str | None:
    """Where files of runs go: a server knows; without one beside its database, not in whatever folder is current."""
    if not tracking_uri.startswith("sqlite:///"):
        return None
    return str(Path(tracking_uri.removeprefix("sqlite:///")).resolve().parent / "artifacts")


def log_metrics(client: Any, run_id: str, values: Mapping[str, float]) -> None:
    """Record measurements that are finite; `@`, which MLflow does not take in names, becomes `_at_`."""
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    found = [
        Metric(name.replace("@", "_at_"), float(value), now, 0)
        for name, value in values.items()
        if math.isfinite(value)
    ]
    client.log_batch(run_id, metrics=found)

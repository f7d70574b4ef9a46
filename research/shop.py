"""The data the notebooks look at: the active dataset, or a small simulated shop when nothing has been prepared yet."""

import os
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from recsys.dataset.prepared import PreparedDataset
from recsys.errors import RecsysError
from recsys.models.tracking import experiment_id
from recsys.pipeline.context import RunContext
from recsys.pipeline.run import run_step
from recsys.schema import Step
from recsys.settings import MlflowSettings, PipelineSettings, PostgresSettings, load
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator, Sizes
from recsys.stack.temporary import temporary_suite


@dataclass(frozen=True)
class Shop:
    """A prepared dataset on disk, the settings it was made with, and where to log experiments on it."""

    name: str
    prepared: PreparedDataset
    settings: PipelineSettings
    mlflow: MlflowSettings

    def track_experiments(self) -> None:
        """Log the runs that follow to MLflow, in an experiment of their own beside the pipelines'."""
        import mlflow

        name, uri = f"{self.mlflow.experiment}-research", self.mlflow.tracking_uri
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment(experiment_id=experiment_id(mlflow.MlflowClient(), name))
        print(f"Experiments are logged to {uri}, experiment {name}")


def open_shop(folder: Path) -> Shop:
    """Fetch the newest prepared dataset into `folder`; says which one it is, and why if it is the simulated one."""
    try:
        context = RunContext.create("research")
        prefix = context.newest_output(Step.PREPARE_DATASET)
    except RecsysError as error:
        print(f"A small simulated shop is used, because there is no prepared dataset: {error}")
        return _simulate(folder)
    print(f"Dataset {context.dataset!r}, prepared as {prefix}")
    prepared = PreparedDataset.fetch(context.store, prefix, folder)
    return Shop(context.dataset, prepared, context.settings, context.mlflow)


def _simulate(folder: Path) -> Shop:
    """Real servers for a moment, for the same steps as in service; its experiments are logged to a file in `folder`."""
    with temporary_suite() as environment, mock.patch.dict(os.environ, environment):
        load_source(Simulator(Sizes(users=2_000, items=300, events=25_000)), load(PostgresSettings))
        context = RunContext.create("research")
        context.store.wait(print)
        summary = run_step(Step.PREPARE_DATASET, context)
        prepared = PreparedDataset.fetch(context.store, summary.output, folder)
    return Shop(
        context.dataset, prepared, context.settings, MlflowSettings(tracking_uri=f"sqlite:///{folder}/mlflow.db")
    )

"""MLflow as the one truth for which version of a model is in service.

A training run logs its settings, metrics and a report to MLflow; its files go to the object store; a version of the
registered model `{model}-{dataset}` points at them. Alias `champion` names the version in service, `challenger` the
newest one that is not in service. MLflow's client takes seconds to import, so it is imported where it is used.
"""

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recsys.errors import NotReadyError, RecsysError
from recsys.models.tracking import connect, experiment_id, log_metrics
from recsys.settings import MlflowSettings
from recsys.storage.object_store import ObjectStore
from recsys.storage.workspace import workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

log = logging.getLogger(__name__)

CHAMPION = "champion"
CHALLENGER = "challenger"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version of a model.

    Attributes:
        prefix: where its files are in the object store.
        tags: what the trainer noted with it.
    """

    name: str
    version: str
    run_id: str
    prefix: str
    tags: dict[str, str] = field(default_factory=dict)


class ModelRegistry:
    """The models of one dataset: MLflow for what is known of them, the object store for their files."""

    def __init__(self, settings: MlflowSettings, store: ObjectStore, dataset: str) -> None:
        self.settings, self.store, self.dataset = settings, store, dataset
        self._client: Any = None

    @property
    def client(self) -> Any:
        """MLflow's client, made when first needed; see `tracking.connect`."""
        if self._client is None:
            self._client = connect(self.settings)
        return self._client

    def registered_name(self, model: str) -> str:
        """The name of a model in MLflow's registry."""
        return f"{model}-{self.dataset}"

    @contextlib.contextmanager
    def training(self, model: str, run_id: str, params: Mapping[str, Any]) -> Iterator["TrainingRun"]:
        """An MLflow run for the length of the block; an error in the block marks it failed.

        Args:
            run_id: the pipeline run that trains; several tries of one pipeline run get an MLflow run each.
        """
        from mlflow.entities import Param

        experiment = experiment_id(self.client, self.settings.experiment)
        tags = {"dataset": self.dataset, "run_id": run_id, "model": model}
        name = f"{self.registered_name(model)} {run_id}"
        run = TrainingRun(self, model, self.client.create_run(experiment, tags=tags, run_name=name).info.run_id)
        status = "FAILED"
        try:
            self.client.log_batch(run.id, params=[Param(key, str(value)) for key, value in params.items()])
            yield run
            status = "FINISHED"
        except RecsysError as error:
            self.client.set_tag(run.id, "error", str(error)[:5000])
            raise
        finally:
            self.client.set_terminated(run.id, status)

    def find(self, model: str, alias: str = CHAMPION) -> ModelVersion | None:
        """The version with that alias; None when there is none."""
        from mlflow.exceptions import MlflowException

        try:
            found = self.client.get_model_version_by_alias(self.registered_name(model), alias)
        except MlflowException as error:
            # An unknown alias is INVALID_PARAMETER_VALUE, an unknown model RESOURCE_DOES_NOT_EXIST.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        prefix = found.source.removeprefix(f"s3://{self.store.bucket}/")
        return ModelVersion(found.name, str(found.version), found.run_id, prefix, dict(found.tags))

    def champion(self, model: str) -> ModelVersion:
        """The version in service.

        Raises:
            NotReadyError: none has gone live yet.
        """
        version = self.find(model)
        if version is None:
            raise NotReadyError(
                f"There is no {CHAMPION} of model {self.registered_name(model)!r} yet.",
                remedy=f"Train one: `recsys run train_{model}`.",
            )
        return version

    @contextlib.contextmanager
    def files(self, version: ModelVersion, part: str) -> Iterator[Path]:
        """One part of a version's files (a folder given to `TrainingRun.register`), for the length of the block.

        Raises:
            NotReadyError: the object store has none of them.
        """
        prefix = f"{version.prefix}/{part}/"
        keys = [entry.key for entry in self.store.list(prefix)]
        if not keys:
            raise NotReadyError(
                f"{version.name} version {version.version} has no files at s3://{self.store.bucket}/{prefix}.",
                remedy="Restore them, or train a new version.",
            )
        with workspace() as folder:
            for key in keys:
                self.store.download(key, folder / key.removeprefix(prefix))
            yield folder

    def retire(self, model: str, keep: int) -> list[str]:
        """Delete the files and the registry entries of all but the newest `keep` versions; what MLflow recorded stays.

        Champion and challenger always stay. What cannot be deleted now is left to the next call, because a training
        that succeeded must not fail by it.

        Returns:
            The versions deleted.
        """
        from mlflow.exceptions import MlflowException

        name, deleted = self.registered_name(model), []
        try:
            in_use = {version.version for alias in (CHAMPION, CHALLENGER) if (version := self.find(model, alias))}
            found = self.client.search_model_versions(f"name = '{name}'", order_by=["version_number DESC"])
            for version in list(found)[keep:]:
                if str(version.version) not in in_use:
                    # Files first: an entry without files is found again, files without an entry never.
                    self.store.delete(f"{version.source.removeprefix(f's3://{self.store.bucket}/')}/")
                    self.client.delete_model_version(name, version.version)
                    deleted.append(str(version.version))
        except (MlflowException, RecsysError) as error:
            log.warning("Superseded versions of %s stay for now: %s", name, error)
        return deleted


@dataclass
class TrainingRun:
    """One MLflow run; made by `ModelRegistry.training`."""

    registry: ModelRegistry
    model: str
    id: str

    def log_metrics(self, values: Mapping[str, float]) -> None:
        """Record measurements, see `tracking.log_metrics`."""
        log_metrics(self.registry.client, self.id, values)

    @property
    def url(self) -> str:
        """Its page in MLflow."""
        uri = self.registry.settings.tracking_uri.rstrip("/")
        return f"{uri}/#/experiments/{self.registry.client.get_run(self.id).info.experiment_id}/runs/{self.id}"

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Keep a plot with the run."""
        self.registry.client.log_figure(self.id, figure, name)

    def log_report(self, report: Mapping[str, Any], name: str = "report.json") -> None:
        """Keep a small JSON artifact with the run."""
        self.registry.client.log_dict(self.id, dict(report), name)

    def register(self, parts: Mapping[str, Any], tags: Mapping[str, str]) -> ModelVersion:
        """Upload files and register a version for them, alias `challenger`.

        Args:
            parts: folder name → anything with `save(folder)`.
            tags: notes that `ModelRegistry.find` gives back.
        """
        client, store = self.registry.client, self.registry.store
        # MLflow's id, not the pipeline run's: a retry never overwrites files that a version in service points to.
        prefix = f"models/{self.registry.dataset}/{self.model}/{self.id}"
        with workspace() as temporary:
            for part, content in parts.items():
                folder = temporary / part
                folder.mkdir()
                content.save(folder)
                for path in sorted(folder.iterdir()):
                    store.upload(path, f"{prefix}/{part}/{path.name}")
        name = self.registry.registered_name(self.model)
        self._ensure_registered(name)
        version = client.create_model_version(name, f"s3://{store.bucket}/{prefix}", self.id, tags=dict(tags))
        client.set_registered_model_alias(name, CHALLENGER, version.version)
        return ModelVersion(name, str(version.version), self.id, prefix, dict(tags))

    def promote(self, version: ModelVersion) -> None:
        """Make a version the champion."""
        client = self.registry.client
        client.set_registered_model_alias(version.name, CHAMPION, version.version)
        client.delete_registered_model_alias(version.name, CHALLENGER)

    def _ensure_registered(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.registry.client.create_registered_model(name, tags={"dataset": self.registry.dataset})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

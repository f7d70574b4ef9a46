"""`python -m fast_api_service`: wait for what the service needs, then run the workers."""

import logging
import logging.config
import os
import sys
from pathlib import Path

import uvicorn

from recsys.errors import RecsysError, UnavailableError
from recsys.publishing.leader import HostLeader
from recsys.publishing.snapshot import SnapshotFollower
from recsys.schema import RecommendationTable
from recsys.settings import ObjectStoreSettings, PostgresSettings, ServiceSettings, load
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

# Also given to uvicorn, which sets it up in every worker.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {"botocore": {"level": "WARNING"}},
}

log = logging.getLogger("fast_api_service")


def main() -> int:
    """Returns the exit code: 1 when the service cannot start, with the reason on standard error."""
    logging.config.dictConfig(LOGGING)
    try:
        settings = load(ServiceSettings)
        wait_for_servers(settings)
    except RecsysError as error:
        log.error("The service does not start: %s", error)
        return 1
    prepare_metrics(settings.state_dir / "metrics")
    uvicorn.run(
        "fast_api_service.app:create_app",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        log_config=LOGGING,
        timeout_graceful_shutdown=10,
    )
    return 0


def wait_for_servers(settings: ServiceSettings) -> None:
    """Return once Postgres and the object store answer, or at once when this host holds lists from before.

    Raises:
        UnavailableError: one of them did not answer within `start_timeout_s`, and there is nothing to serve without.
    """
    database = load(PostgresSettings).model_copy(update={"connect_timeout_s": settings.start_timeout_s})
    bucket = load(ObjectStoreSettings).model_copy(update={"connect_timeout_s": settings.start_timeout_s})
    store = ObjectStore(bucket)
    try:
        if has_local_lists(settings.state_dir, store):
            log.info("Starting with the lists kept in %s.", settings.state_dir)
            return
        postgres.wait(database, log.warning)
        store.wait(log.warning)
    except UnavailableError as error:
        raise UnavailableError(
            f"{error.message} There are no lists from before in {settings.state_dir} to serve either.",
            remedy=error.remedy,
        ) from error


def has_local_lists(state_dir: Path, store: ObjectStore) -> bool:
    """Whether an earlier run left a usable snapshot on this host's disk."""
    follower = SnapshotFollower(state_dir / "snapshots", store, HostLeader(state_dir / "leader.lock"))
    return RecommendationTable.DEFAULT in follower.current.tables


def prepare_metrics(folder: Path) -> None:
    """Empty the folder through which the workers share their metrics.

    prometheus_client looks for it when it is imported, so it is set here, before anything imports it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m recsys.live`: the worker, with its metrics on a port of their own."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence

from prometheus_client import start_http_server

from recsys.errors import RecsysError
from recsys.live import consumer
from recsys.live.jobs import JOBS
from recsys.live.worker import Job, work
from recsys.settings import PostgresSettings, WorkerSettings, load

log = logging.getLogger("recsys.live")


def main() -> int:
    """Returns the exit code: 1 when the worker cannot start, with the reason on standard error."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        settings, database = load(WorkerSettings), load(PostgresSettings)
        start_http_server(settings.port, settings.host)
        asyncio.run(_until_asked_to_stop((*JOBS, *consumer.jobs()), database))
    except (RecsysError, OSError) as error:
        log.error("The worker does not run: %s", error)
        return 1
    return 0


async def _until_asked_to_stop(jobs: Sequence[Job], database: PostgresSettings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await work(jobs, database, stop)


if __name__ == "__main__":
    sys.exit(main())

"""From nothing to a working recommender: the stack, a simulated shop, the seven pipelines through Airflow."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from recsys.errors import NotReadyError, UnavailableError
from recsys.live.airflow_client import AirflowClient
from recsys.settings import PROJECT_ROOT, AirflowSettings, PostgresSettings, load
from recsys.sources import datasets
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator
from recsys.stack import health, lifecycle
from recsys.storage import postgres

Say = Callable[[str], None]

DAG_FILES = PROJECT_ROOT / "airflow_service" / "dags"
LONGEST_S = 1800.0


@dataclass(frozen=True)
class Example:
    """A user with recommendations, and the first item of the list."""

    user_id: str
    item_id: str


def run(say: Say) -> Example:
    """Do whatever is still missing; a second call finds everything there.

    Args:
        say: told what is being done.

    Raises:
        UnavailableError: a program did not start, a pipeline failed, or it all takes longer than half an hour.
    """
    settings = lifecycle.up(say)
    database = load(PostgresSettings)
    if not any(dataset.is_active for dataset in datasets.list_all(database)):
        say("loading a simulated shop …")
        load_source(Simulator(), database, dataset=None, replace=False, progress=lambda *_: None)
    airflow = AirflowClient(load(AirflowSettings))
    if _example(database) is None or set(airflow.newest_runs().values()) != {"success"}:
        _run_pipelines(airflow, say)
    example = _example(database)
    if example is None:
        raise NotReadyError("The pipelines are done, yet no user has ranked recommendations.", remedy="Load more data.")
    say("waiting for the API to take the new lists up …")
    _until(lambda: health.http_ok(settings.api_port, "/health/ready") is None, "The API did not become ready.")
    return example


def _run_pipelines(airflow: AirflowClient, say: Say) -> None:
    """Start the first DAG; the others follow by themselves as what they read appears."""
    expected = len(list(DAG_FILES.glob("[0-9]*.py")))
    _until(lambda: len(airflow.dags()) >= expected, f"Airflow has not found the {expected} DAGs in {DAG_FILES}.")
    dags = airflow.dags()
    since = datetime.now(UTC)
    airflow.trigger(next(iter(dags)))

    def all_green() -> bool:
        states = airflow.newest_runs(since)
        failed = [dags[dag] for dag, state in states.items() if state == "failed"]
        if failed:
            raise UnavailableError(
                f"A pipeline failed: {', '.join(failed)}.", remedy=f"Its log is in Airflow: {airflow.address}."
            )
        done = [dag for dag, state in states.items() if state == "success"]
        busy = [name for dag, name in dags.items() if states.get(dag) == "running"]
        say(f"pipelines: {len(done)} of {len(dags)} green{''.join(f', running {name}' for name in busy)} …")
        return len(done) == len(dags)

    _until(all_green, f"The pipelines have not all become green; see {airflow.address}.", every=2.0)


def _example(database: PostgresSettings) -> Example | None:
    with postgres.transaction(database) as cursor:
        cursor.execute("select user_id, item_id from recs.current_ranked_recommendations where rank = 1 limit 1")
        row = cursor.fetchone()
    return Example(*row) if row else None


def _until(condition: Callable[[], bool], complaint: str, every: float = 0.5) -> None:
    deadline = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(complaint)
        time.sleep(every)

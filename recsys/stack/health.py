"""One look at each server: None when it works, otherwise what is wrong, in a few words."""

import http.client
import json

from recsys.errors import UnavailableError
from recsys.settings import ObjectStoreSettings, PostgresSettings, load
from recsys.stack.settings import HOST, StackSettings
from recsys.storage import postgres as database
from recsys.storage.object_store import ObjectStore

TIMEOUT_S = 5.0


def get(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of a GET on this machine; never through a proxy.

    Raises:
        OSError: nobody answers within `TIMEOUT_S`.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except http.client.HTTPException as error:
        raise ConnectionError(f"no HTTP answer: {error!r}") from error
    finally:
        connection.close()


def http_ok(port: int, path: str) -> str | None:
    """Whether a GET is answered 200."""
    try:
        status, _ = get(port, path)
    except OSError as error:
        return f"does not answer: {error}"
    return None if status == http.HTTPStatus.OK else f"answers {status} on {path}"


def airflow(settings: StackSettings, component: str) -> str | None:
    """What Airflow's API server says of one of its components (heartbeats are a few seconds apart)."""
    try:
        status, body = get(settings.airflow_port, "/api/v2/monitor/health")
    except OSError as error:
        return f"airflow-api does not answer: {error}"
    if status != http.HTTPStatus.OK:
        return f"airflow-api answers {status}"
    state = json.loads(body).get(component, {}).get("status")
    return None if state == "healthy" else f"{component} is {state or 'not there'}"


def postgres(settings: StackSettings) -> str | None:
    """Whether a log-in to the server works."""
    try:
        database.connect(load(PostgresSettings, database="postgres", port=settings.postgres_port)).close()
    except UnavailableError as error:
        return error.message
    return None


def object_store(settings: StackSettings) -> str | None:
    """Whether the bucket can be reached (it is created if need be)."""
    try:
        ObjectStore(load(ObjectStoreSettings, connect_timeout_s=0.001)).wait(lambda _: None)
    except UnavailableError as error:
        return error.message
    return None

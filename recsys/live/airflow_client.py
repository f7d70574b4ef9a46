"""The little of Airflow's REST API that the suite needs: log in, start a DAG, see how runs do."""

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from http import HTTPStatus
from typing import Any

from recsys.errors import UnavailableError
from recsys.settings import AirflowSettings

TIMEOUT_S = 120.0  # generous: on a loaded machine Airflow takes its time
# Never through a proxy: the server is on this machine, or one of its containers.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowClient:
    """Airflow as its user sees it, logged in.

    Raises:
        UnavailableError: from every method, when Airflow does not answer or refuses.
    """

    def __init__(self, settings: AirflowSettings) -> None:
        self.address = settings.url.rstrip("/")
        credentials = {"username": settings.user, "password": settings.password.get_secret_value()}
        answer = self._call("/auth/token", credentials, {})
        self.headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def dags(self) -> dict[str, str]:
        """Display name of each DAG by its id, in the order of the display names."""
        answer = self._call("/api/v2/dags?limit=100&order_by=dag_display_name", None, self.headers)
        return {dag["dag_id"]: dag["dag_display_name"] for dag in answer["dags"]}

    def trigger(self, dag_id: str, run_id: str | None = None, conf: dict[str, Any] | None = None) -> None:
        """Start a run now.

        Args:
            run_id: its name; asking again with the same name starts nothing. None lets Airflow choose.
            conf: params that differ from the DAG's defaults.
        """
        body = {"logical_date": None, "conf": conf or {}} | ({"dag_run_id": run_id} if run_id else {})
        try:
            self._call(f"/api/v2/dags/{dag_id}/dagRuns", body, self.headers)
        except RefusedError as error:
            if run_id is None or error.status != HTTPStatus.CONFLICT:
                raise

    def state(self, dag_id: str, run_id: str) -> str | None:
        """State of a run: queued, running, success or failed; None when Airflow knows no such run."""
        try:
            answer = self._call(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}", None, self.headers)
        except RefusedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return None
        return str(answer["state"])

    def newest_runs(self, since: datetime | None = None) -> dict[str, str]:
        """State of each DAG's newest run, of the runs due at `since` or later."""
        query = {"limit": 100, "order_by": "-run_after"} | ({"run_after_gte": since.isoformat()} if since else {})
        answer = self._call(f"/api/v2/dags/~/dagRuns?{urllib.parse.urlencode(query)}", None, self.headers)
        newest: dict[str, str] = {}
        for run in answer["dag_runs"]:
            newest.setdefault(run["dag_id"], run["state"])
        return newest

    def _call(self, path: str, body: dict[str, Any] | None, headers: dict[str, str]) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - the scheme is ours
            self.address + path, data, {"Content-Type": "application/json", **headers}
        )
        try:
            with _direct.open(request, timeout=TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            said = error.read()[:300].decode(errors="replace")
            raise RefusedError(f"Airflow refused {path}: {error.code} {said}.", error.code) from error
        except (OSError, ValueError) as error:
            raise UnavailableError(f"Airflow at {self.address} does not answer: {error}.") from error


class RefusedError(UnavailableError):
    """Airflow answered, but not as asked."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, remedy="See AIRFLOW_API_URL, AIRFLOW_API_USER and AIRFLOW_API_PASSWORD.")
        self.status = status

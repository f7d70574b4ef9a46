"""The little of Airflow's REST API that a first run needs: log in, start a DAG, see how the newest runs do."""

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime
from typing import Any

from recsys.errors import UnavailableError
from recsys.stack import environment
from recsys.stack.settings import HOST, StackSettings

TIMEOUT_S = 30.0
# Never through a proxy: the server is on this machine.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class AirflowClient:
    """Airflow as its first user sees it.

    Raises:
        UnavailableError: from every method, when Airflow does not answer or refuses.
    """

    def __init__(self, settings: StackSettings) -> None:
        self.address = f"http://{HOST}:{settings.airflow_port}"
        passwords = json.loads(environment.airflow_password_file().read_text())
        user = environment.AIRFLOW_USER
        answer = self._call("/auth/token", {"username": user, "password": passwords[user]}, {})
        self.headers = {"Authorization": f"Bearer {answer['access_token']}"}

    def dags(self) -> dict[str, str]:
        """Display name of each DAG by its id, in the order of the display names."""
        answer = self._call("/api/v2/dags?limit=100&order_by=dag_display_name", None, self.headers)
        return {dag["dag_id"]: dag["dag_display_name"] for dag in answer["dags"]}

    def trigger(self, dag_id: str) -> None:
        """Start a run now, with the DAG's default params."""
        self._call(f"/api/v2/dags/{dag_id}/dagRuns", {"logical_date": None}, self.headers)

    def newest_runs(self, since: datetime | None = None) -> dict[str, str]:
        """State of each DAG's newest run (queued, running, success, failed), of the runs due at `since` or later."""
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
            raise UnavailableError(f"Airflow refused {path}: {error.code} {error.read()[:300]!r}.") from error
        except OSError as error:
            raise UnavailableError(f"Airflow at {self.address} does not answer: {error}.") from error

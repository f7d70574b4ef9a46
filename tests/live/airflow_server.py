"""As much of Airflow's REST API as the worker uses, in this process, for outcomes that a real one gives seldom."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Airflow:
    """What it was asked for, and what it answers: `states[run_id]`; with a `loop`, nothing while that is blocked."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.started: list[tuple[str, str, dict[str, Any]]] = []
        self.url = ""
        self.loop: asyncio.AbstractEventLoop | None = None

    def answer(self, method: str, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        if self.loop is not None:
            try:
                asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(5)
            except TimeoutError:
                return 503, {"detail": "the loop is blocked"}
        if path == "/auth/token":
            return (201, {"access_token": "t"}) if body["password"] == "right" else (401, {"detail": "no"})
        found = re.fullmatch(r"/api/v2/dags/(\w+)/dagRuns(?:/([\w-]+))?", path)
        assert found, path
        if method == "POST":
            run_id = body["dag_run_id"]
            if run_id in self.states:
                return 409, {"detail": "DAGRun already exists"}
            self.started.append((found[1], run_id, body["conf"]))
            self.states[run_id] = "queued"
            return 200, {"dag_run_id": run_id, "state": "queued"}
        state = self.states.get(found[2])
        return (200, {"state": state}) if state else (404, {"detail": "not found"})


@contextmanager
def airflow_server() -> Iterator[Airflow]:
    airflow = Airflow()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def do_GET(self) -> None:
            self.reply(None)

        def reply(self, body: Any) -> None:
            if self.path != "/auth/token":
                assert self.headers["Authorization"] == "Bearer t"
            status, document = airflow.answer(self.command, self.path, body)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(document).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    airflow.url = f"http://127.0.0.1:{server.server_port}"
    yield airflow
    server.shutdown()
    server.server_close()
    thread.join()

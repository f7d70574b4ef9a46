"""The route class alone: a signature is the declaration, and errors name place, value and remedy."""

from pathlib import Path as FilePath
from typing import Annotated, Any

import orjson
import pytest
from fastapi import APIRouter, Body, FastAPI, Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response
from starlette.testclient import TestClient

from fast_api_service import problems
from fast_api_service.auth import KeyRing, needs
from fast_api_service.routing import DirectRoute
from fast_api_service.schemas import Identifier
from recsys import api_keys
from recsys.api_keys import Scope
from recsys.settings import ServiceSettings


class Thing(BaseModel):
    size: int


@pytest.fixture
def client(tmp_path: FilePath) -> TestClient:
    router = APIRouter(prefix="/things", route_class=DirectRoute)

    @router.get("/broken")
    async def broken() -> Response:
        raise RuntimeError("the password is hunter2")

    @router.get("/{name:path}/parts")
    async def parts(
        request: Request,
        name: Annotated[Identifier, Path()],
        limit: Annotated[int, Query(ge=1, le=100)] = 10,
        colour: Annotated[str | None, Query()] = None,
    ) -> Response:
        return Response(orjson.dumps([request.method, name, limit, colour]))

    @router.post("", dependencies=[needs(Scope.EVENTS)])
    async def make(thing: Annotated[Thing, Body()]) -> Response:
        return Response(orjson.dumps(thing.size))

    app = FastAPI()
    app.state.keys = KeyRing(tmp_path / "keys")
    app.state.settings = ServiceSettings(_env_file=None, max_body_bytes=1000)  # type: ignore[call-arg]
    problems.install(app)
    app.include_router(router)
    key = api_keys.create(tmp_path / "keys", "shop", [Scope.EVENTS])
    return TestClient(app, headers={"X-API-Key": key}, raise_server_exceptions=False)


def test_parameters_arrive_converted_with_defaults(client: TestClient) -> None:
    assert client.get("/things/a%2Fb/parts").json() == ["GET", "a/b", 10, None]
    assert client.get("/things/ä/parts?limit=3&colour=&other=1").json() == ["GET", "ä", 3, ""]


@pytest.mark.parametrize(
    ("path", "field", "value", "remedy"),
    [
        ("/things/a/parts?limit=ten", "query.limit", "ten", "Give a whole number."),
        ("/things/a/parts?limit=0", "query.limit", "0", "Give 1 or more."),
        ("/things/a/parts?limit=101", "query.limit", "101", "Give 100 or less."),
        ("/things/a/parts?limit=", "query.limit", "", "Give a whole number."),
        ("/things/a%00/parts", "path.name", "a\x00", "Leave out control characters (NUL among them)."),
        ("/things//parts", "path.name", "", "Give at least 1 character(s)."),
        (f"/things/{'x' * 10_000}/parts", "path.name", "x" * 100 + "…", "Give at most 256 characters."),
    ],
)
def test_bad_parameters(client: TestClient, path: str, field: str, value: str, remedy: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    [error] = answer.json()["errors"]
    assert (error["field"], error["value"], error["remedy"]) == (field, value, remedy)
    assert field in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b'{"size": 3', 400, "malformed-json"),
        (b"", 400, "malformed-json"),
        (b"\xff\xfe", 400, "malformed-json"),
        (b"[" * 900 + b"]" * 900, 413, "too-large"),
        (b"[" * 400 + b"]" * 400, 422, "invalid"),
        (b'{"size": "\\ud800"}', 400, "malformed-json"),
        (b'{"size": 1e400}', 400, "malformed-json"),
        (b'{"size": "big"}', 422, "invalid"),
        (b"{}", 422, "invalid"),
        (b"null", 422, "invalid"),
        (b" " * 1001, 413, "too-large"),
    ],
)
def test_bad_bodies(client: TestClient, body: bytes, status: int, kind: str) -> None:
    answer = client.post("/things", content=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:recsys:problem:{kind}")
    assert answer.json()["remedy"]


def test_a_body_without_a_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    def endless() -> Any:
        for _ in range(100):
            yield b" " * 100

    assert client.post("/things", content=endless()).status_code == 413


def test_very_deep_json_is_refused(client: TestClient) -> None:
    client.app.state.settings.max_body_bytes = 10_000_000  # type: ignore[attr-defined]
    answer = client.post("/things", content=b"[" * 100_000 + b"]" * 100_000)
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:recsys:problem:malformed-json")


def test_scopes_are_checked_before_the_body(client: TestClient) -> None:
    assert client.post("/things", content=b"{", headers={"X-API-Key": "wrong"}).status_code == 401
    assert client.post("/things", json={"size": 3}).json() == 3


def test_unknown_routes_and_methods(client: TestClient) -> None:
    missing, wrong = client.get("/nothing"), client.delete("/things")
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:recsys:problem:no-such-route")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:recsys:problem:method-not-allowed")
    assert wrong.headers["allow"] == "POST"


def test_an_unexpected_error_does_not_leak(client: TestClient) -> None:
    answer = client.get("/things/broken")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text


def test_the_declaration_makes_the_document(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    parameters = {p["name"]: p for p in paths["/things/{name}/parts"]["get"]["parameters"]}
    assert parameters["limit"]["schema"]["maximum"] == 100
    assert parameters["name"]["in"] == "path"
    assert paths["/things"]["post"]["security"] == [{"APIKeyHeader": ["events"]}]

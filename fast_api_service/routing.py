"""Routes declared as FastAPI declares them, run with one validation call.

FastAPI solves a request's parameters one by one and builds a dependency cache for it, which costs more than the
recommendation itself (docs/decisions/service-hot-path.md). Here the endpoint's signature still is the declaration,
and still makes the OpenAPI document, but all of a request's parameters are checked in one call into pydantic's core.
"""

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NotRequired, get_args, get_type_hints
from urllib.parse import parse_qsl

import orjson
from fastapi.exceptions import RequestValidationError
from fastapi.params import Body, Security
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from fast_api_service.auth import SCOPE_KEY
from fast_api_service.problems import ProblemError
from recsys.api_keys import Scope

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
KEY_HEADER = b"x-api-key"


class DirectRoute(APIRoute):
    """Understands query and path parameters, one JSON body, the request itself, and `needs(scope)`; nothing else."""

    def get_route_handler(self) -> Handler:
        """The function that turns a request into the endpoint's answer."""
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        signature = inspect.signature(endpoint).parameters
        hints = get_type_hints(endpoint, include_extras=True)
        del hints["return"]
        takes_request = hints.pop("request", None) is Request
        bodies = [name for name, hint in hints.items() if any(isinstance(part, Body) for part in get_args(hint)[1:])]
        body_name = bodies[0] if bodies else None
        body = TypeAdapter(hints.pop(body_name)) if body_name else None
        fields = {
            name: hint if signature[name].default is inspect.Parameter.empty else NotRequired[hint]
            for name, hint in hints.items()
        }
        parameters = TypeAdapter(TypedDict("Parameters", fields)) if fields else None  # type: ignore[operator]
        place = {name: "path" if f"{{{name}}}" in self.path_format else "query" for name in fields}
        needed = [dependency for dependency in self.dependencies if isinstance(dependency, Security)]
        scopes = [Scope(scope) for security in needed for scope in security.scopes or ()]

        async def handle(request: Request) -> Response:
            for scope in scopes:
                request.scope[SCOPE_KEY] = request.app.state.keys.authorize(_key(request), scope)
            values: Any = {}
            if parameters is not None:
                given = _query(request.scope["query_string"].decode("latin-1"))
                given.update(request.path_params)
                try:
                    values = parameters.validate_strings(given)
                except ValidationError as error:
                    raise _invalid(error, place) from None
            if body is not None:
                parsed = await read_json(request, request.app.state.settings.max_body_bytes)
                try:
                    values[body_name] = body.validate_python(parsed)
                except ValidationError as error:
                    raise _invalid(error) from None
            if takes_request:
                values["request"] = request
            return await endpoint(**values)

        return handle


async def read_json(request: Request, max_bytes: int) -> Any:
    """The request's body, parsed.

    Raises:
        ProblemError: 413 when it is larger than `max_bytes` (not read further), 400 when it is not JSON.
    """
    too_large = ProblemError(
        413,
        "too-large",
        f"The body is larger than {max_bytes} bytes.",
        remedy="Send less at a time.",
    )
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise too_large
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise too_large
            chunks.append(chunk)
    except ClientDisconnect:
        raise ProblemError(400, "cut-off", "The body ended early.", remedy="Send it again.") from None
    try:
        return orjson.loads(b"".join(chunks))
    except orjson.JSONDecodeError as error:
        raise ProblemError(
            400,
            "malformed-json",
            f"The body is not JSON: {error}.",
            remedy="Send UTF-8 JSON, as in the examples at /docs.",
        ) from None


def _query(text: str) -> dict[str, str]:
    """Parameters by name; of duplicates the last wins, as in Starlette."""
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True))
    # Nothing to decode, the usual case: a third of the time.
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {name: value for name, _, value in pairs}


def _key(request: Request) -> bytes | None:
    for name, value in request.scope["headers"]:
        if name == KEY_HEADER:
            found: bytes = value
            return found
    return None


def _invalid(error: ValidationError, place: dict[str, str] | None = None) -> RequestValidationError:
    details = error.errors(include_url=False)
    for detail in details:
        first = str(detail["loc"][0]) if detail["loc"] else ""
        detail["loc"] = (place[first] if place else "body", *detail["loc"])
    return RequestValidationError(details)

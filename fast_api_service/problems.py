"""Every error leaves the service as an RFC 9457 problem document that names field, value and remedy."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from recsys.errors import RecsysError

MEDIA_TYPE = "application/problem+json"
LONGEST_VALUE = 100

log = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """One field that was refused."""

    field: str = Field(description="Where it is: `query.limit`, `body.3.item_id`.", examples=["query.limit"])
    value: Any = Field(description="What was found there, shortened; null when it is missing.", examples=["ten"])
    message: str = Field(examples=["Input should be a valid integer, unable to parse string as an integer"])
    remedy: str = Field(examples=["Give a whole number."])
    reason: str = Field(description="A stable code.", examples=["int_parsing"])


class Problem(BaseModel):
    """RFC 9457 problem document."""

    type: str = Field(description="A stable name of the kind of problem.", examples=["urn:recsys:problem:invalid"])
    title: str = Field(examples=["Unprocessable Content"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["1 field is not usable: query.limit."])
    remedy: str = Field(examples=["Correct the fields listed under `errors`."])
    errors: list[FieldProblem] = Field(default_factory=list)


class ProblemError(RecsysError):
    """Raised anywhere in a request to end it with a problem document.

    Args:
        kind: the last part of the document's `type`.
        extra: further members of the document.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        *,
        remedy: str,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status, self.kind, self.headers, self.extra = status, kind, headers, extra

    def response(self) -> Response:
        """The answer to send."""
        document = {
            "type": f"urn:recsys:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.message,
            "remedy": self.remedy,
            **self.extra,
        }
        return Response(orjson.dumps(document), self.status, self.headers, MEDIA_TYPE)


REMEDIES = {
    "missing": "Give it.",
    "int_parsing": "Give a whole number.",
    "int_type": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "float_type": "Give a number.",
    "float_parsing": "Give a number.",
    "finite_number": "Give a finite number.",
    "greater_than_equal": "Give {ge} or more.",
    "greater_than": "Give more than {gt}.",
    "less_than_equal": "Give {le} or less.",
    "enum": "Choose from {expected}.",
    "string_type": "Give a string: ids are strings, so put a number in quotes.",
    "string_too_short": "Give at least {min_length} character(s).",
    "string_too_long": "Give at most {max_length} characters.",
    "string_pattern_mismatch": "Leave out control characters (NUL among them).",
    "extra_forbidden": "Remove it, or correct the spelling of its name.",
    "too_long": "Give at most {max_length} of them.",
    "too_short": "Give at least {min_length}.",
    "list_type": "Give a list.",
    "model_type": "Give a JSON object.",
    "model_attributes_type": "Give a JSON object.",
}


def field_problems(errors: Iterable[Any], *place: str | int) -> list[FieldProblem]:
    """Pydantic's findings in our words; `place` comes before each field's own path."""
    return [
        FieldProblem(
            field=".".join(str(part) for part in (*place, *error["loc"])),
            value=None if error["type"] == "missing" else _shortened(error["input"]),
            message=error["msg"],
            remedy=_remedy(error),
            reason=error["type"],
        )
        for error in errors
    ]


def invalid(problems: list[FieldProblem]) -> ProblemError:
    """The request's fields are not usable."""
    names = ", ".join(problem.field for problem in problems[:10])
    count = "1 field is" if len(problems) == 1 else f"{len(problems)} fields are"
    return ProblemError(
        422,
        "invalid",
        f"{count} not usable: {names}.",
        remedy="Correct the fields listed under `errors`.",
        errors=[problem.model_dump() for problem in problems],
    )


def _remedy(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    return str(context.get("remedy") or REMEDIES.get(error["type"], "See this field at /docs.").format_map(context))


def _shortened(value: Any) -> Any:
    if isinstance(value, int | float | bool) or value is None:
        # Beyond 64 bits a number is no longer JSON that every client can read.
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)[:LONGEST_VALUE]
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "…"


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)  # noqa: S101 - narrows the type that Starlette declares
    return error.response()


async def _validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    return invalid(field_problems(error.errors())).response()


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    where = f"{request.method} {request.url.path[:LONGEST_VALUE]}"
    kind = {404: "no-such-route", 405: "method-not-allowed"}.get(error.status_code, "http")
    remedy = "See /docs for the routes and their methods."
    return ProblemError(
        error.status_code, kind, f"{where}: {error.detail}.", remedy=remedy, headers=error.headers
    ).response()


async def _unexpected(request: Request, error: Exception) -> Response:
    # What went wrong stays in the log: an answer must not leak the inside.
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    remedy = "Try again; if it stays, look for this time in the service's log."
    return ProblemError(500, "internal", "The service failed on this request.", remedy=remedy).response()


def install(app: FastAPI) -> None:
    """Answer every error of `app` with a problem document."""
    app.add_exception_handler(ProblemError, _known)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error answers of a route, for the OpenAPI document."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}

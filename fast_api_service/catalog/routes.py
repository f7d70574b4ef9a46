"""The routes that every kind of record has: create, read, replace, change, delete, and many at once."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Path, Request
from pydantic import BaseModel
from starlette.responses import Response

from fast_api_service.auth import needs
from fast_api_service.catalog import bulk
from fast_api_service.catalog.etags import ETAG_HEADER, IF_MATCH, IF_NONE_MATCH, IF_NONE_MATCH_ANY, Condition, etag
from fast_api_service.catalog.fields import BulkReceipt
from fast_api_service.catalog.kinds import Fields, Kind
from fast_api_service.catalog.records import Change, Records
from fast_api_service.problems import responses
from fast_api_service.schemas import Identifier
from recsys.api_keys import Scope

ERRORS = responses(401, 403, 422, 500, 503)
BODY_ERRORS = ERRORS | responses(400, 413)


def add_routes(router: APIRouter, kind: Kind, kept: type[BaseModel], reading: Scope) -> None:
    """Add the routes of one kind.

    Args:
        kept: model of a stored record.
        reading: the scope that reading needs; writing needs `catalog`.
    """
    key_path = Annotated[Identifier, Path(description=f"The shop's id of the {kind.noun}.")]
    fields_body, row_body = Annotated[kind.fields, Body()], Annotated[kind.row, Body()]  # type: ignore[name-defined]
    one = {"model": kept, "headers": ETAG_HEADER}
    noun, title, path = kind.noun, kind.noun.capitalize(), "/{id:path}"
    writing = [needs(Scope.CATALOG)]

    @router.post(
        "",
        status_code=201,
        responses={201: one, **BODY_ERRORS, **responses(409)},
        summary=f"Create a {noun}",
        operation_id=f"create{title}",
        description=f"A new {noun}; 409 when the id is taken.",
        dependencies=writing,
    )
    async def create(request: Request, record: row_body) -> Response:  # type: ignore[valid-type]
        given = _given(record)
        return await _write(request, kind, Change(given.pop(kind.key), given, Condition(exists=False)))

    @router.post(
        "/bulk",
        response_model=BulkReceipt,
        responses={200: {"content": {bulk.NDJSON: {}}}, **BODY_ERRORS},
        openapi_extra={"requestBody": _bulk_body(kind)},
        summary=f"Create or change many {noun} records",
        operation_id=f"upsert{title}Records",
        description=f"Up to {bulk.MOST_ROWS:,} in a JSON list, or any number as NDJSON (then the answer is NDJSON too,"
        " a line a row and the counts last). Fields that a row leaves out stay as they are. Bad rows are answered under"
        " their index and never block good ones; sending a row again is harmless.",
        dependencies=writing,
    )
    async def upsert(request: Request) -> Response:
        return await bulk.upsert(request, records_of(request, kind))

    @router.get(
        path,
        response_model=kept,
        responses={
            200: {"headers": ETAG_HEADER},
            304: {"description": "Not changed"},
            **ERRORS,
            **responses(404),
        },
        openapi_extra={"parameters": [IF_NONE_MATCH]},
        summary=f"One {noun}",
        operation_id=f"get{title}",
        description=f"The {noun} as it is kept, with its ETag; 304 where `If-None-Match` names what is kept.",
        dependencies=[needs(reading)],
    )
    async def get(request: Request, id: key_path) -> Response:  # type: ignore[valid-type]
        record = await records_of(request, kind).get(id)
        if Condition.of(request).is_known(record["revision"]):
            return Response(status_code=304, headers={"ETag": etag(record["revision"])})
        return _answer(record)

    @router.put(
        path,
        response_model=kept,
        responses={200: {"headers": ETAG_HEADER}, 201: one, **BODY_ERRORS, **responses(412)},
        openapi_extra={"parameters": [IF_MATCH, IF_NONE_MATCH_ANY]},
        summary=f"Create or replace a {noun}",
        operation_id=f"put{title}",
        description="Fields that are left out get their defaults.",
        dependencies=writing,
    )
    async def put(request: Request, id: key_path, record: fields_body) -> Response:  # type: ignore[valid-type]
        return await _write(request, kind, Change(id, record.model_dump(), Condition.of(request)))  # type: ignore[attr-defined]

    @router.patch(
        path,
        response_model=kept,
        responses={200: {"headers": ETAG_HEADER}, **BODY_ERRORS, **responses(404, 412)},
        openapi_extra={"parameters": [IF_MATCH]},
        summary=f"Change a {noun}",
        operation_id=f"patch{title}",
        description="Fields that are left out stay as they are; lists and objects are replaced whole.",
        dependencies=writing,
    )
    async def patch(request: Request, id: key_path, record: fields_body) -> Response:  # type: ignore[valid-type]
        condition = Condition(request.headers.get("if-match"), exists=True)
        return await _write(request, kind, Change(id, _given(record), condition))

    @router.delete(
        path,
        status_code=204,
        responses={**ERRORS, **responses(404, 409, 412)},
        openapi_extra={"parameters": [IF_MATCH]},
        summary=f"Delete a {noun}",
        operation_id=f"delete{title}",
        description="Gone for good; with `If-Match` only if nobody changed it meanwhile.",
        dependencies=writing,
    )
    async def delete(request: Request, id: key_path) -> Response:  # type: ignore[valid-type]
        await records_of(request, kind).delete(id, Condition(request.headers.get("if-match"), exists=True))
        return Response(status_code=204)


def records_of(request: Request, kind: Kind) -> Records:
    """The records of one kind, of this worker."""
    return Records(kind, request.app.state.service.pool)


def page(field: str, records: list[Fields], following: str | None) -> Response:
    """One page under its field, and where the next begins."""
    return Response(orjson.dumps({field: records, "next": following}), media_type="application/json")


async def _write(request: Request, kind: Kind, change: Change) -> Response:
    outcome = await records_of(request, kind).change(change)
    return _answer(outcome.record, 201 if outcome.status == "created" else 200)


def _answer(record: Fields, status: int = 200) -> Response:
    return Response(orjson.dumps(record), status, {"ETag": etag(record["revision"])}, "application/json")


def _given(record: Any) -> Fields:
    given: Fields = record.model_dump(include=record.model_fields_set)
    return given


def _bulk_body(kind: Kind) -> dict[str, Any]:
    row = kind.row.model_json_schema(ref_template="#/components/schemas/{model}")
    row.pop("$defs", None)
    return {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "array", "maxItems": bulk.MOST_ROWS, "items": row}},
            bulk.NDJSON: {"schema": {"type": "string", "description": f"A {kind.noun} a line."}},
        },
    }

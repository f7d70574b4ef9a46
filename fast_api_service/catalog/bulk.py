"""Many records in one request: checked row by row, written batch by batch, answered row by row.

A JSON list is bounded by its size; NDJSON (a record a line) is read and answered as a stream of any length, in bounded
memory: the answers wait in a file until the request has been read, because many clients read nothing before that.
"""

import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import IO, Any

import orjson
from pydantic import TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from fast_api_service.catalog.fields import RowOutcome
from fast_api_service.catalog.records import NOT_STORED, Change, Records
from fast_api_service.problems import FieldProblem, ProblemError, field_problems
from fast_api_service.routing import read_json

MOST_ROWS = 10_000  # of a JSON list
BATCH_ROWS = 500  # rows of one transaction: far below its time limit
NDJSON = "application/x-ndjson"
IN_MEMORY = 1 << 20
STATUSES = ("created", "updated", "unchanged", "rejected")


async def upsert(request: Request, records: Records) -> Response:
    """Create or change the records of the body; fields that a row leaves out stay as they are.

    Raises:
        ProblemError: 400, 413 or 422 when the body as a whole is not usable; 503 when Postgres is away: then
            `stored_rows` tells how many rows, from the first, are dealt with. Sending all of them again is harmless.
    """
    upserter = Upserter(records)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() == NDJSON:
        return await _stream(request, upserter)
    body = await read_json(request, request.app.state.settings.max_bulk_bytes)
    if not isinstance(body, list) or not 0 < len(body) <= MOST_ROWS:
        found = f"a list of {len(body)}" if isinstance(body, list) else "no list"
        raise ProblemError(
            422,
            "invalid",
            f"The body is {found}.",
            remedy=f"Send a list of 1 to {MOST_ROWS:,} records, or any number of lines as {NDJSON}.",
        )
    rows: list[dict[str, Any]] = []
    for start in range(0, len(body), BATCH_ROWS):
        rows += await upserter.write(body[start : start + BATCH_ROWS])
    return Response(orjson.dumps(upserter.counts() | {"rows": rows}), media_type="application/json")


class Upserter:
    """Takes batches of rows and counts what became of them."""

    def __init__(self, records: Records) -> None:
        self.records, self.row = records, TypeAdapter(records.kind.row)
        self.done = 0
        self._seen: Counter[str] = Counter()

    def counts(self) -> dict[str, int]:
        """Rows by what became of them."""
        return {status: self._seen[status] for status in STATUSES}

    async def write(self, batch: list[Any]) -> list[dict[str, Any]]:
        """Commit the usable rows of a batch; an answer for each row."""
        answers: list[RowOutcome] = []
        places, changes = [], []
        for index, row in enumerate(batch, self.done):
            checked = row if isinstance(row, FieldProblem) else self._change(row, index)
            if isinstance(checked, Change):
                places.append(len(answers))
                changes.append(checked)
                answers.append(RowOutcome(index=index, id=checked.key, status="unchanged"))
            else:
                errors = [checked] if isinstance(checked, FieldProblem) else checked
                given = row.get(self.records.kind.key) if isinstance(row, dict) else None
                shown = given if isinstance(given, str) else None
                answers.append(RowOutcome(index=index, id=shown and shown[:256], status="rejected", errors=errors))
        try:
            outcomes = await self.records.change_many(changes) if changes else []
        except ProblemError as error:
            error.extra["stored_rows"] = self.done
            if self.done:
                error.message = error.message.replace(NOT_STORED, f"Only its first {self.done:,} rows were stored.")
            raise
        for place, outcome in zip(places, outcomes, strict=True):
            answer = answers[place]
            answer.status, answer.revision = outcome.status, outcome.record.get("revision")
            if problem := outcome.problem:
                field = problem.field.replace("body", f"body.{answer.index}", 1)
                answer.errors = [problem.model_copy(update={"field": field})]
        self.done += len(batch)
        self._seen.update(answer.status for answer in answers)
        return [answer.model_dump() for answer in answers]

    def _change(self, row: Any, index: int) -> Change | list[FieldProblem]:
        try:
            checked = self.row.validate_python(row)
        except ValidationError as error:
            return field_problems(error.errors(include_url=False), "body", index)
        given = checked.model_dump(include=checked.model_fields_set)
        return Change(given.pop(self.records.kind.key), given)


async def _stream(request: Request, upserter: Upserter) -> Response:
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
    batch: list[Any] = []
    try:
        async for row in _lines(request):
            batch.append(row)
            if len(batch) == BATCH_ROWS:
                await _answer(upserter, batch, spool)
                batch = []
        if batch:
            await _answer(upserter, batch, spool)
    except BaseException:
        spool.close()
        raise
    spool.write(orjson.dumps(upserter.counts()) + b"\n")
    spool.seek(0)
    return StreamingResponse(_sent(spool), media_type=NDJSON)


async def _answer(upserter: Upserter, batch: list[Any], spool: IO[bytes]) -> None:
    answers = b"".join(orjson.dumps(answer) + b"\n" for answer in await upserter.write(batch))
    await run_in_threadpool(spool.write, answers)


def _sent(spool: IO[bytes]) -> Iterator[bytes]:
    with spool:
        while part := spool.read(1 << 16):
            yield part


async def _lines(request: Request) -> AsyncIterator[Any]:
    """Each line's JSON, or what is wrong with it; empty lines are skipped."""
    longest: int = request.app.state.settings.max_body_bytes
    rest, number = b"", 0
    try:
        async for chunk in request.stream():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield _parsed(line, number)
                    number += 1
            if len(rest) > longest:
                raise ProblemError(
                    413,
                    "too-large",
                    f"Row {number} is longer than {longest} bytes.",
                    remedy="Send one record a line, each ended by a line feed.",
                )
    except ClientDisconnect:
        raise ProblemError(400, "cut-off", "The body ended early.", remedy="Send it again.") from None
    if rest.strip():
        yield _parsed(rest, number)


def _parsed(line: bytes, number: int) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return FieldProblem(
            field=f"body.{number}",
            value=line[:100].decode(errors="replace"),
            message=f"The line is not JSON: {error}",
            remedy="Send one JSON object a line, in UTF-8.",
            reason="malformed_json",
        )

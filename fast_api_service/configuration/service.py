"""Versions of the configuration: read, proposed, rolled back."""

from typing import Any

import asyncpg
from pydantic import ValidationError

from fast_api_service.configuration import repository
from fast_api_service.configuration.schemas import Proposal
from fast_api_service.problems import ProblemError
from recsys.placements.configuration import Configuration, differences
from recsys.placements.decisions import Decisions

BUILT_IN: repository.Row = dict.fromkeys(("author", "comment", "restores", "created_at")) | {"version": 0, "body": "{}"}


async def newest(pool: asyncpg.Pool, decisions: Decisions) -> dict[str, Any]:
    """The newest version; when it was broken by hand, the one in use, and what is wrong."""
    rows = await repository.page(pool, None, 1)
    row = rows[0] if rows else BUILT_IN
    try:
        return _document(row)
    except ValidationError:
        problem = decisions.problems.get("configuration", f"version {row['version']} is not usable")
        used = await repository.one(pool, decisions.version) or BUILT_IN
        return _document(used | {"body": decisions.configuration.model_dump_json()}) | {"problem": problem}


async def one(pool: asyncpg.Pool, version: int) -> dict[str, Any]:
    """A version of the past.

    Raises:
        ProblemError: 404 for an unknown one, 409 for one that is not usable any more.
    """
    return _document(await _usable(pool, version))


async def history(pool: asyncpg.Pool, before: int | None, limit: int) -> dict[str, Any]:
    """Who changed what, newest first."""
    rows = await repository.page(pool, before, limit + 1)
    changes = []
    for row, older in zip(rows, [*rows[1:], BUILT_IN], strict=False):
        found = list(differences(_told(older), _told(row)))
        changes.append({name: value for name, value in row.items() if name != "body"} | {"changes": found})
    return {"versions": changes[:limit], "before": rows[limit - 1]["version"] if len(rows) > limit else None}


async def propose(pool: asyncpg.Pool, proposal: Proposal, author: str) -> dict[str, Any]:
    """Make it the newest version.

    Raises:
        ProblemError: 409 when it replaces another version than the newest.
    """
    body = Configuration(placements=proposal.placements).model_dump_json()
    added = await repository.add(pool, body, author, proposal.comment, None, proposal.replaces)
    if isinstance(added, int):
        raise ProblemError(
            409,
            "changed-meanwhile",
            f"The newest version is {added}, not {proposal.replaces}.",
            remedy="Look at GET /v1/configuration, bring your change into it, and send it with its version.",
            version=added,
        )
    return _document(added)


async def roll_back(pool: asyncpg.Pool, version: int, author: str, comment: str | None) -> dict[str, Any]:
    """Make an old version's content the newest version.

    Raises:
        ProblemError: 404 for an unknown one, 409 for one that is not usable any more.
    """
    row = await _usable(pool, version)
    added = await repository.add(pool, row["body"], author, comment, version, None)
    assert not isinstance(added, int)  # noqa: S101 - nothing was said to be replaced
    return _document(added)


async def _usable(pool: asyncpg.Pool, version: int) -> repository.Row:
    row = BUILT_IN if version == 0 else await repository.one(pool, version)
    if row is None:
        raise ProblemError(
            404,
            "unknown-version",
            f"There is no version {version} of the configuration.",
            remedy="See GET /v1/configuration/history.",
        )
    try:
        Configuration.model_validate_json(row["body"])
    except ValidationError as error:
        raise ProblemError(
            409,
            "unusable-version",
            f"Version {version} is not usable: {error.errors(include_url=False)[0]['msg']}.",
            remedy="Choose another version.",
        ) from None
    return row


def _document(row: repository.Row) -> dict[str, Any]:
    complete = Configuration.model_validate_json(row["body"]).complete()
    told = {name: value for name, value in row.items() if name != "body"}
    return told | complete.model_dump(mode="json") | {"problem": None}


def _told(row: repository.Row) -> Any:
    """What a version says; nothing for one broken by hand."""
    try:
        return Configuration.model_validate_json(row["body"]).complete().model_dump(mode="json")
    except ValidationError:
        return None

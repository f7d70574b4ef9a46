"""Rules: kept only if they do not contradict others, every change noted, tried before they are made."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
from pydantic import ValidationError

from fast_api_service.problems import ProblemError
from fast_api_service.recommendations.questions import question_of
from fast_api_service.recommendations.service import Recommender
from fast_api_service.rules import repository
from fast_api_service.rules.schemas import Trial
from fast_api_service.state import ServiceState
from recsys.placements.rules import Rule, conflicts

MOST_RULES = 1000


async def every(state: ServiceState) -> dict[str, Any]:
    """All rules."""
    return {"rules": [_document(row) for row in await repository.every(state.pool)]}


async def one(state: ServiceState, rule_id: str) -> dict[str, Any]:
    """A rule.

    Raises:
        ProblemError: 404 for an unknown one.
    """
    row = await repository.one(state.pool, rule_id)
    if row is None:
        raise _unknown(rule_id)
    return _document(row)


async def put(state: ServiceState, rule_id: str, rule: Rule, author: str) -> tuple[dict[str, Any], bool]:
    """Create or replace a rule; returns it, and whether it is new.

    Raises:
        ProblemError: 409 when it contradicts others, or there are too many.
    """
    async with repository.changing(state.pool, author) as changing:
        bodies = await changing.every()
        before = bodies.pop(rule_id, None)
        others = {each: parsed for each, body in bodies.items() if (parsed := _parsed(body)) is not None}
        if found := conflicts(rule, others, state.facts.get, state.decisions.tree):
            listed = [{"rule_ids": (rule_id, other), "why": why} for other, why in found.items()]
            raise ProblemError(
                409,
                "contradictory-rules",
                "; ".join(f"{rule_id!r} and {other!r}: {why}" for other, why in list(found.items())[:5]) + ".",
                remedy="Change or disable one of the two, or let them hold at different times or placements.",
                conflicts=listed,
            )
        if len(bodies) >= MOST_RULES:
            raise ProblemError(
                409, "too-many-rules", f"There are {len(bodies)} rules already.", remedy="Delete those that are over."
            )
        row = await changing.put(rule_id, rule.model_dump_json(), before)
    return _document(row), before is None


async def delete(state: ServiceState, rule_id: str, author: str) -> None:
    """Remove a rule.

    Raises:
        ProblemError: 404 for an unknown one.
    """
    async with repository.changing(state.pool, author) as changing:
        if not await changing.delete(rule_id):
            raise _unknown(rule_id)


async def audit(state: ServiceState, rule_id: str | None, before: int | None, limit: int) -> dict[str, Any]:
    """Who changed which rule, newest first."""
    rows = await repository.audit(state.pool, rule_id, before, limit + 1)
    changes = [row | {side: _json(row[side]) for side in ("before", "after")} for row in rows[:limit]]
    return {"changes": changes, "before": changes[-1]["audit_id"] if len(rows) > limit else None}


async def preview(state: ServiceState, recommender: Recommender, trial: Trial) -> dict[str, Any]:
    """What an answer is, and what it would be."""
    rules = dict(state.decisions.rules)
    for rule_id, rule in trial.rules.items():
        rules.pop(rule_id, None)
        if rule is not None:
            rules[rule_id] = rule
    found = [
        {"rule_ids": (rule_id, other), "why": why}
        for rule_id in trial.rules.keys() & rules.keys()
        for other, why in conflicts(
            rules[rule_id],
            {each: other for each, other in rules.items() if each != rule_id},
            state.facts.get,
            state.decisions.tree,
        ).items()
    ]
    _, question = question_of(trial.placement, trial.question(state.settings.default_limit))
    at = trial.at or datetime.now(UTC)
    # Rules that include only some items go through the whole catalogue.
    outcome = await asyncio.to_thread(recommender.preview, trial.placement, question, rules, at)
    return outcome | {"conflicts": found}


def _document(row: repository.Row) -> dict[str, Any]:
    document = {name: value for name, value in row.items() if name != "body"}
    rule = _parsed(row["body"])
    if rule is None:
        return document | {"rule": None, "problem": "It is not a rule. Put or delete it."}
    return document | {"rule": rule.model_dump(mode="json"), "problem": None}


def _parsed(body: str) -> Rule | None:
    try:
        return Rule.model_validate_json(body)
    except ValidationError:
        return None


def _json(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def _unknown(rule_id: str) -> ProblemError:
    return ProblemError(404, "unknown-rule", f"There is no rule {rule_id!r}.", remedy="See GET /v1/rules.")

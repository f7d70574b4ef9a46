"""Rules as they are given back, and previews."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints
from pydantic_core import PydanticCustomError

from fast_api_service.recommendations.schemas import Asked, RecommendedItem
from recsys.placements.rules import Rule

TAKEN = {"audit", "preview"}  # parts of addresses


def _free(rule_id: str) -> str:
    if rule_id in TAKEN:
        raise PydanticCustomError(
            "taken", "{name} cannot be a rule's id", {"name": repr(rule_id), "remedy": "Choose another id."}
        )
    return rule_id


RuleId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"), AfterValidator(_free)]

EXAMPLE_RULE: dict[str, JsonValue] = {
    "action": "boost",
    "conditions": {"category_ids": ["1016"], "price_max": 100, "tags": ["new"]},
    "placements": ["home", "category"],
    "places": 5,
    "starts_at": "2026-11-27T00:00:00Z",
    "ends_at": "2026-11-30T00:00:00Z",
}
EXAMPLE: dict[str, JsonValue] = {
    "rule_id": "black-friday",
    "revision": 1,
    "updated_at": "2026-11-20T10:00:00Z",
    "rule": EXAMPLE_RULE,
    "problem": None,
}


class StoredRule(BaseModel):
    """A rule with its id."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    rule_id: str
    revision: int = Field(description="Grows with every change.")
    updated_at: datetime
    rule: Rule | None = Field(description="Null for one that was broken by hand in the database.")
    problem: str | None = Field(description="What is wrong with it; its last good form stays in use.")


class StoredRules(BaseModel):
    """All rules, by id."""

    rules: list[StoredRule]


class RuleChange(BaseModel):
    """An entry of the audit trail."""

    audit_id: int
    rule_id: str
    action: Literal["created", "changed", "deleted"]
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None
    author: str = Field(description="Name of the API key.")
    created_at: datetime


class Audit(BaseModel):
    """A page of changes, newest first."""

    changes: list[RuleChange]
    before: int | None = Field(description="Give it as `before` for the next page; null on the last one.")


class Trial(Asked):
    """A question, and rules to try on its answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"placement": "home", "user_id": "257597", "rules": {"black-friday": EXAMPLE_RULE}}]
        },
    )

    rules: dict[RuleId, Rule | None] = Field(
        max_length=100, description="Added to those there are, or in the place of one; null takes a rule away."
    )
    at: AwareDatetime | None = Field(None, description="The time to try them at, for rules that begin later.")


class Conflict(BaseModel):
    """Two rules that cannot both be kept."""

    rule_ids: tuple[str, str]
    why: str


class Outcome(BaseModel):
    """The same question answered without and with the rules tried."""

    placement: str
    now: list[RecommendedItem]
    then: list[RecommendedItem]
    conflicts: list[Conflict] = Field(description="Why the rules tried would be refused; none: they can be kept.")

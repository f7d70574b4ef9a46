"""Configurations as they are given and given back."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from recsys.placements.configuration import Configuration, PlacementConfiguration
from recsys.placements.fields import KnownFields
from recsys.schema import Placement

Comment = Annotated[str, Field(max_length=1000)]
HOME: dict[str, JsonValue] = {
    "cascade": [
        {"source": "ranked", "enabled": True, "size": None, "weight": 0},
        {"source": "online", "enabled": True, "size": None, "weight": 0.5},
        {"source": "trending", "enabled": True, "size": 2, "weight": 0.1},
        {"source": "default", "enabled": True, "size": None, "weight": 0},
    ],
    "exploration": 0.05,
    "diversity": 0.2,
    "category_cap": 5,
}


class Proposal(Configuration):
    """A whole configuration: what it leaves out is as built in."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"placements": {"home": HOME}, "comment": "Explore a little.", "replaces": 6}]}
    )

    comment: Comment | None = Field(None, description="Why; shown in the history.")
    replaces: Annotated[int, Field(ge=0, lt=2**63, strict=True)] | None = Field(
        None, description="The version that was changed: 409 if somebody else was faster; null: whatever is newest."
    )


class Rollback(KnownFields):
    """Which version to bring back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"version": 5, "comment": "Sales fell."}]})

    version: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = Field(description="0 is the built-in configuration.")
    comment: Comment | None = None


class Version(BaseModel):
    """A version of the configuration, with what is built in written out."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 7,
                    "author": "shop",
                    "comment": "Explore a little.",
                    "restores": None,
                    "created_at": "2026-11-20T10:00:00Z",
                    "placements": {"home": HOME},
                    "problem": None,
                }
            ]
        }
    )

    version: int = Field(description="0 is the built-in configuration.")
    author: str | None = Field(description="Name of the API key; null for the built-in one.")
    comment: str | None
    restores: int | None = Field(description="The version that a roll back brought back.")
    created_at: datetime | None
    placements: dict[Placement, PlacementConfiguration]
    problem: str | None = Field(description="Why a newer version in the database is not in use; null: all is well.")


class Difference(BaseModel):
    """One value that changed."""

    path: str = Field(examples=["placements.home.exploration"])
    before: Any
    after: Any


class Change(BaseModel):
    """A version in the history."""

    version: int
    author: str
    comment: str | None
    restores: int | None
    created_at: datetime
    changes: list[Difference] = Field(description="Against the version before; of the first, against the built-in one.")


class History(BaseModel):
    """A page of versions, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "versions": [
                        {
                            "version": 7,
                            "author": "shop",
                            "comment": "Explore a little.",
                            "restores": None,
                            "created_at": "2026-11-20T10:00:00Z",
                            "changes": [{"path": "placements.home.exploration", "before": 0, "after": 0.05}],
                        }
                    ],
                    "before": None,
                }
            ]
        }
    )

    versions: list[Change]
    before: int | None = Field(description="Give it as `before` for the next page; null on the last one.")

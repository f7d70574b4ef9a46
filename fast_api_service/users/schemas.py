"""What is held of a user, as it is given back, merged and erased."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fast_api_service.schemas import Identifier


class KeptEvent(BaseModel):
    """A stored event; fields that were not given, or are not kept while Postgres is away, are null or missing."""

    event_id: str | None = None
    timestamp_ms: int
    user_id: str | None = None
    session_id: str | None = None
    item_id: str
    event_type: str
    order_id: str | None = None
    price: float | None = None
    quantity: float | None = None
    value: float | None = None
    recommendation_id: str | None = None
    placement: str | None = None
    source: str | None = None
    version: int | None = None
    propensity: float | None = None


class UserEvents(BaseModel):
    """The newest events of a user, newest first."""

    user_id: str
    degraded: bool
    degraded_reasons: list[str]
    events: list[KeptEvent]


class Merge(BaseModel):
    """A guest who logged in."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"session_id": "s-5f0c"}]})

    session_id: Identifier = Field(description="The session; what it did without a user becomes the user's.")


class Merged(BaseModel):
    """What became of a guest's session."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"user_id": "257597", "session_id": "s-5f0c", "merged": 7}]}
    )

    user_id: str
    session_id: str
    merged: int = Field(description="Events that are the user's now; those still in the queue follow.")


class Erased(BaseModel):
    """What was erased of a user."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "user_id": "257597",
                    "sessions": 2,
                    "erased": {"collected_events": 31, "loaded_events": 12, "ranked_recommendations": 3},
                    "hidden": ["Published list files: not used for this user from now on, gone with later versions."],
                }
            ]
        }
    )

    user_id: str
    sessions: int = Field(description="Sessions of the user; their events without a user are erased too.")
    erased: dict[str, int] = Field(description="Rows deleted, by table.")
    hidden: list[str] = Field(description="What is not used any more, but goes only with later pipeline runs.")


class Export(BaseModel):
    """All that is held of a user."""

    user_id: str
    held: dict[str, list[dict[str, Any]]] = Field(description="Rows by table; empty where nothing is held.")

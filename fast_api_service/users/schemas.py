"""A user's events as they are given back."""

from pydantic import BaseModel


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

"""An event as the shop sends it, and what it gets back."""

import time
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from fast_api_service.problems import FieldProblem
from fast_api_service.schemas import Identifier, unique_id
from recsys.live.ingest import CollectedEvent
from recsys.placements import token
from recsys.schema import EventType

# Milliseconds since the epoch passed this in 1973; smaller numbers are seconds.
SMALLEST_MS = 100_000_000_000
CLOCK_SKEW_MS = 5 * 60_000


def now_ms() -> int:
    """The present, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _plausible(timestamp_ms: int) -> int:
    if timestamp_ms < SMALLEST_MS:
        raise PydanticCustomError(
            "timestamp_in_seconds",
            "The time is not in milliseconds since the epoch (it looks like seconds)",
            {"remedy": "Multiply it by 1000, or leave it out for the present."},
        )
    if timestamp_ms > now_ms() + CLOCK_SKEW_MS:
        raise PydanticCustomError(
            "timestamp_in_future",
            "The time lies more than 5 minutes in the future",
            {"remedy": "Set the clock, give milliseconds since the epoch, or leave it out for the present."},
        )
    return timestamp_ms


MOST_SECONDS = 86_400.0  # of a visit to a product's page
VALUES = {EventType.RATING: (1.0, 5.0), EventType.DETAIL_LEAVE: (0.0, MOST_SECONDS)}

Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]


class Event(BaseModel):
    """Something a shopper did."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "event_id": "0199f7a3-5c1e-7f00-8a2b-3d4e5f607182",
                    "event_type": "view",
                    "user_id": "257597",
                    "item_id": "187946",
                    "recommendation_id": "0199f7a3-4b1d-7e00-9a2b-3d4e5f607182",
                }
            ]
        },
    )

    event_id: Identifier = Field(
        default_factory=unique_id,
        description="Chosen by the client, it makes retries harmless: the first event with an id counts.",
    )
    event_type: EventType
    item_id: Identifier = Field(description="Events of items that the shop's catalogue does not know are kept too.")
    user_id: Identifier | None = Field(None, description="Who; a guest has only a session.")
    session_id: Identifier | None = None
    timestamp_ms: Annotated[int, Field(strict=True), AfterValidator(_plausible)] = Field(
        default_factory=now_ms, description="When, in milliseconds since the epoch; left out: now."
    )
    order_id: Identifier | None = None
    price: Amount | None = Field(None, description="For one piece.")
    quantity: Amount | None = None
    value: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        None, description="Of a `rating`: 1 to 5 stars; of a `detail_leave`: the seconds spent on the product's page."
    )
    recommendation_id: Annotated[Identifier, Field(max_length=token.LONGEST)] | None = Field(
        None, description="The answer that showed the item, so that clicks and orders can be counted."
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.user_id is None and self.session_id is None:
            raise PydanticCustomError(
                "nobody", "Neither user_id nor session_id is given", {"remedy": "Give user_id, session_id, or both."}
            )
        return self

    @model_validator(mode="after")
    def _meaningful_value(self) -> Self:
        bounds = VALUES.get(self.event_type)
        if bounds is None and self.value is not None:
            raise PydanticCustomError(
                "value_not_used",
                "An event of type {event_type} has no value",
                {"event_type": str(self.event_type), "remedy": "Leave `value` out."},
            )
        if bounds is not None and (self.value is None or not bounds[0] <= self.value <= bounds[1]):
            raise PydanticCustomError(
                "value_out_of_range",
                "An event of type {event_type} needs a value from {low} to {high}",
                {
                    "event_type": str(self.event_type),
                    "low": bounds[0],
                    "high": bounds[1],
                    "remedy": "Give the stars of a rating, or the seconds spent on the page, as `value`.",
                },
            )
        return self

    def collected(self) -> CollectedEvent:
        """The row to store, with what the recommendation's id says of how the item was shown."""
        answer = token.read(self.recommendation_id) if self.recommendation_id else None
        shown = answer.origin(self.item_id) if answer else None
        given = {name: getattr(self, name) for name in type(self).model_fields}
        given["event_type"] = str(self.event_type)
        if shown is not None:
            given |= {name: getattr(shown, name) for name in ("placement", "source", "version", "propensity")}
        return CollectedEvent(**given)


class RejectedEvent(BaseModel):
    """A row that was not stored, and why."""

    index: int = Field(description="Its place in the request, from 0.")
    event_id: Any = Field(description="As given; null when the row had none.")
    errors: list[FieldProblem]


class Receipt(BaseModel):
    """What became of the events of a request. Everything under `event_ids` is safe: committed, or in the queue."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stored": 1,
                    "queued": 0,
                    "duplicates": 0,
                    "event_ids": ["0199f7a3-5c1e-7f00-8a2b-3d4e5f607182"],
                    "rejected": [
                        {
                            "index": 1,
                            "event_id": None,
                            "errors": [
                                {
                                    "field": "body.1.event_type",
                                    "value": "look",
                                    "message": "Input should be 'view', 'add_to_cart', … or 'click'",
                                    "remedy": "Choose from 'view', 'add_to_cart', … or 'click'.",
                                    "reason": "enum",
                                }
                            ],
                        }
                    ],
                }
            ]
        }
    )

    stored: int = Field(description="New events, committed.")
    queued: int = Field(description="Events that the queue confirmed; they are committed a moment later.")
    duplicates: int = Field(description="Events whose id had been stored before, or came twice in this request.")
    event_ids: list[str] = Field(description="Ids of all of these, in the order of the request.")
    rejected: list[RejectedEvent]

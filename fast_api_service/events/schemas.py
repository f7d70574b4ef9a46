"""An event as the shop sends it, and what it gets back."""

import time
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from fast_api_service.problems import FieldProblem
from fast_api_service.schemas import Identifier, unique_id
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
    recommendation_id: Identifier | None = Field(
        None, description="The answer that showed the item, so that clicks and orders can be counted."
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.user_id is None and self.session_id is None:
            raise PydanticCustomError(
                "nobody", "Neither user_id nor session_id is given", {"remedy": "Give user_id, session_id, or both."}
            )
        return self


class RejectedEvent(BaseModel):
    """A row that was not stored, and why."""

    index: int = Field(description="Its place in the request, from 0.")
    event_id: Any = Field(description="As given; null when the row had none.")
    errors: list[FieldProblem]


class Receipt(BaseModel):
    """What became of the events of a request. Everything under `event_ids` is committed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "stored": 1,
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
                                    "message": "Input should be 'view', 'add_to_cart' or 'purchase'",
                                    "remedy": "Choose from 'view', 'add_to_cart' or 'purchase'.",
                                    "reason": "enum",
                                }
                            ],
                        }
                    ],
                }
            ]
        }
    )

    stored: int = Field(description="New events.")
    duplicates: int = Field(description="Events whose id had been stored before.")
    event_ids: list[str] = Field(description="Ids of stored and duplicate events, in the order of the request.")
    rejected: list[RejectedEvent]

"""What an answer with recommendations looks like."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fast_api_service.schemas import Identifier

EXAMPLE: dict[str, JsonValue] = {
    "recommendation_id": "0199f7a3-4b1d-7e00-9a2b-3d4e5f607182",
    "version": 42,
    "degraded": False,
    "degraded_reasons": [],
    "user_id": "257597",
    "placement": "home",
    "fallback_reason": "list_exhausted",
    "items": [
        {
            "item_id": "187946",
            "rank": 1,
            "score": 0.83,
            "source": "ranked",
            "reason": "ranked_for_you",
            "based_on": None,
        },
        {
            "item_id": "461686",
            "rank": 2,
            "score": 0.21,
            "source": "online",
            "reason": "similar_to_viewed",
            "based_on": "187946",
        },
    ],
}


class RecommendedItem(BaseModel):
    """One item, with where it came from and why."""

    item_id: str
    rank: int = Field(description="From 1.")
    score: float = Field(description="Comparable within one source only.")
    source: str = Field(description="`ranked`, `personalized`, `online`, `similar` or `default`.")
    reason: str = Field(description="Why it is shown, a stable code such as `similar_to_viewed`.")
    based_on: str | None = Field(description="The item or category that the reason refers to.")


class Recommendations(BaseModel):
    """An answer with exactly as many items as asked, while the catalogue allows."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    recommendation_id: str = Field(description="Send it back with events, so that clicks and orders are counted.")
    version: int = Field(description="Generation of the published tables: all lists of an answer are of one.")
    degraded: bool = Field(description="Given from the last good state, because something is down or stale.")
    degraded_reasons: list[str] = Field(description="What is wrong; see `/health/ready`.")
    user_id: str | None
    placement: str
    fallback_reason: str | None = Field(
        description="Why `default` items are among the answer: `unknown_user`, `unknown_items`, `list_exhausted`;"
        " null when there are none or they were asked for."
    )
    items: list[RecommendedItem]


class Basket(BaseModel):
    """What a guest looked at, newest last."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"item_ids": ["187946", "461686"], "limit": 10}]}
    )

    item_ids: Annotated[list[Identifier], Field(min_length=1, max_length=100)]
    limit: Annotated[int, Field(ge=1, le=100, strict=True)] | None = Field(None, description="How many items.")

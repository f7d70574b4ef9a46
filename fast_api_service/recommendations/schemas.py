"""What an answer with recommendations looks like."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from fast_api_service.recommendations.view import Question
from fast_api_service.schemas import Identifier
from recsys.schema import Placement, Reason, Source

Ids = Annotated[list[Identifier], Field(max_length=100)]
Count = Annotated[int, Field(ge=1, le=100, strict=True)]

EXAMPLE: dict[str, JsonValue] = {
    "recommendation_id": "0199f7a3-4b1d-7e00-9a2b-3d4e5f607182.AQECACoAAAAAAAAAAf5j3QOGHLA",
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
    source: Source = Field(description="What put it there.")
    reason: Reason = Field(description="Why it is shown.")
    based_on: str | None = Field(description="The item or category that the reason refers to.")


class Recommendations(BaseModel):
    """An answer with exactly as many items as asked, while the catalogue, the rules and the configuration allow."""

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


class Asked(BaseModel):
    """What is asked, by whom, and what is on the page."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"placement": "cart", "session_id": "s-81", "item_ids": ["187946", "461686"], "limit": 10},
                {"placement": "category", "user_id": "257597", "category_id": "1016", "context": {"country": "DE"}},
            ]
        },
    )

    placement: Placement = Field(Placement.HOME, description="Where in the shop it is shown.")
    user_id: Identifier | None = Field(None, description="The shop's id of the user; null: a guest.")
    session_id: Identifier | None = Field(None, description="For guests, and beside a user.")
    item_ids: Ids = Field([], description="The product shown, or what is in the cart; all of them count.")
    category_id: Identifier | None = None
    limit: Count | None = Field(None, description="How many items.")
    exclude: Ids = Field([], description="Items that are not to be shown.")
    context: dict[Identifier, Identifier] = Field(
        {}, max_length=20, description="What rules may ask for, such as the device or the country."
    )

    def question(self, default_limit: int) -> Question:
        """The same in the service's words."""
        return Question(
            self.user_id,
            self.limit or default_limit,
            self.session_id,
            tuple(self.item_ids),
            self.category_id,
            tuple(self.exclude),
            self.context,
        )


class AskedPositions(BaseModel):
    """Which items' ranks are asked for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"category_id": "1016", "item_ids": ["187946", "461686"]}]}
    )

    category_id: Identifier
    item_ids: Annotated[list[Identifier], Field(min_length=1, max_length=10_000)]
    user_id: Identifier | None = None
    session_id: Identifier | None = None


class Positions(BaseModel):
    """Where items stand in the order of their category."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 42,
                    "degraded": False,
                    "degraded_reasons": [],
                    "user_id": "257597",
                    "category_id": "1016",
                    "items": 3,
                    "positions": {"187946": 1, "461686": 2, "9877": 3},
                }
            ]
        }
    )

    version: int = Field(description="Generation of the published tables.")
    degraded: bool
    degraded_reasons: list[str]
    user_id: str | None
    category_id: str
    items: int = Field(description="How many items the category has, those below it included.")
    positions: dict[str, int | None] = Field(description="Rank from 1; null for what is not shown in the category.")


class Basket(BaseModel):
    """What a guest looked at, newest last."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"item_ids": ["187946", "461686"], "limit": 10}]}
    )

    item_ids: Annotated[list[Identifier], Field(min_length=1, max_length=100)]
    limit: Count | None = Field(None, description="How many items.")

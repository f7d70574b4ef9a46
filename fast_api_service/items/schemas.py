"""What a search by text gives back."""

from pydantic import BaseModel, ConfigDict, Field


class FoundItem(BaseModel):
    """An item that is to be had now."""

    item_id: str
    rank: int = Field(description="From 1.")
    score: float = Field(description="Cosine of its vector and the text's, above 0 up to 1.")
    title: str | None


class SearchResults(BaseModel):
    """The items that a text describes best."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "like": "blue mug zorbli",
                    "unknown_words": ["zorbli"],
                    "items": [{"item_id": "mug-1", "rank": 1, "score": 0.83, "title": "Enamel mug"}],
                }
            ]
        }
    )

    like: str
    unknown_words: list[str] = Field(description="Words that no item of the shop has; they count for nothing.")
    items: list[FoundItem]

"""Types that records of the shop share."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from fast_api_service.problems import FieldProblem
from recsys.schema import Property

# Postgres cannot keep NUL in a text.
NO_NUL = r"^[^\x00]*$"
Word = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=NO_NUL)]
Text = Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)]
MOST_PIECES = 2**31 - 1


def _rounded(number: float) -> float:
    """Amounts that no price has are none: Postgres refuses what its shorter floats cannot hold."""
    return round(number, 6)


Money = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False), AfterValidator(_rounded)]
Count = Annotated[int, Field(ge=0, le=MOST_PIECES)]
Weight = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False), AfterValidator(_rounded)]
Number = Annotated[float, Field(allow_inf_nan=False)]

# These are properties of an item already, under the names that the pipeline knows them by.
RESERVED = {*map(str, Property), "brand", "tags"}


def _free(name: str) -> str:
    if name in RESERVED:
        raise PydanticCustomError(
            "reserved_attribute",
            "An attribute cannot be called {name}",
            {"name": name, "remedy": "Give it as the product's own field, or call it something else."},
        )
    return name


AttributeName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=NO_NUL), AfterValidator(_free)]
Attributes = Annotated[dict[AttributeName, Number | Word], Field(max_length=200)]


class Fields(BaseModel):
    """Fields of a record as a request gives them: nothing is guessed, nothing unknown is passed over."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Kept(BaseModel):
    """What every stored record tells beside its fields."""

    revision: int = Field(description="Grows with every change; the ETag is this number in quotes.")
    created_at: datetime
    updated_at: datetime


class RowOutcome(BaseModel):
    """What became of one row of a bulk request."""

    index: int = Field(description="Its place in the request, from 0.")
    id: Any = Field(description="As given; null when the row had none.")
    status: str = Field(description="`created`, `updated`, `unchanged` or `rejected`.")
    revision: int | None = Field(None, description="Of the stored record.")
    errors: list[FieldProblem] = Field(default_factory=list, description="Why it was rejected.")


class BulkReceipt(BaseModel):
    """What became of a bulk request. Everything but the rejected rows is committed."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "created": 1,
                    "updated": 0,
                    "unchanged": 0,
                    "rejected": 1,
                    "rows": [
                        {"index": 0, "id": "mug-1", "status": "created", "revision": 7, "errors": []},
                        {
                            "index": 1,
                            "id": "mug-2",
                            "status": "rejected",
                            "revision": None,
                            "errors": [
                                {
                                    "field": "body.1.price",
                                    "value": -1,
                                    "message": "Input should be greater than or equal to 0",
                                    "remedy": "Give 0 or more.",
                                    "reason": "greater_than_equal",
                                }
                            ],
                        },
                    ],
                }
            ]
        }
    )

    created: int
    updated: int
    unchanged: int
    rejected: int
    rows: list[RowOutcome] = Field(description="One a row, in the order of the request.")

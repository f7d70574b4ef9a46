"""Customers and purchases as the shop tells them."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from fast_api_service.catalog.fields import Attributes, Fields, Kept, Text, Word
from fast_api_service.catalog.kinds import Kind
from fast_api_service.events.schemas import Amount, now_ms
from fast_api_service.schemas import Identifier, unique_id

EXAMPLE: JsonDict = {"title": "Ada", "gender": "female", "age": 36, "location": "Oslo", "preference": "outdoor kitchen"}


class CustomerFields(Fields):
    """What a shop says of a customer. Left out: in a new customer the default; in a change as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    title: Text | None = Field(None, description="How the shop calls the customer.")
    gender: Word | None = None
    age: Annotated[int, Field(ge=0, le=150)] | None = None
    location: Word | None = None
    preference: Text | None = Field(None, description="What the customer likes, in words of the catalogue.")
    attributes: Attributes = Field(default_factory=dict)


class CustomerRow(CustomerFields):
    """A customer with the id that is the `user_id` of events and recommendations."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"customer_id": "257597", **EXAMPLE}]})

    customer_id: Identifier


class Customer(CustomerRow, Kept):
    """A customer as kept."""

    model_config = ConfigDict(strict=False)


class CustomerPage(Fields):
    """Some customers, by id."""

    customers: list[Customer]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


CUSTOMER = Kind(
    noun="customer",
    table="shop.customers",
    key="customer_id",
    fields=CustomerFields,
    row=CustomerRow,
    columns={
        "title": "text",
        "gender": "text",
        "age": "smallint",
        "location": "text",
        "preference": "text",
        "attributes": "jsonb",
    },
)


class Purchase(Fields):
    """Something that was bought: the same as an event `purchase`, in the words of a shop's orders."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "purchase_id": "1001-1",
                    "customer_id": "257597",
                    "product_id": "461686",
                    "order_id": "1001",
                    "price": 19.9,
                    "quantity": 1,
                }
            ]
        },
    )

    purchase_id: Identifier = Field(default_factory=unique_id, description="Chosen by you, it makes retries harmless.")
    customer_id: Identifier
    product_id: Identifier = Field(description="Purchases of products that the catalogue does not know are kept too.")
    order_id: Identifier | None = None
    price: Amount | None = Field(None, description="For one piece.")
    quantity: Amount | None = None
    timestamp_ms: int = Field(default_factory=now_ms, description="When, in milliseconds since the epoch.")
    recommendation_id: Word | None = Field(None, description="The answer that showed the product.")


class PurchaseChange(Fields):
    """What is to be different in a purchase. Left out: as it was; so defaults mean nothing here."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"price": 17.9, "quantity": 2}]})

    customer_id: Identifier = Field(default_factory=str, description="Another one has it outside of any session.")
    product_id: Identifier = Field(default_factory=str)
    order_id: Identifier | None = None
    price: Amount | None = None
    quantity: Amount | None = None
    timestamp_ms: int = Field(default_factory=int)
    recommendation_id: Word | None = None


class KeptPurchase(Purchase):
    """A purchase as it is kept."""

    model_config = ConfigDict(strict=False)

    customer_id: Identifier | None = Field(description="null: a guest's.")  # type: ignore[assignment]


class PurchasePage(Fields):
    """Some purchases of a customer, the newest first."""

    purchases: list[KeptPurchase]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")

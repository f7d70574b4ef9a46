"""Records in the words of the catalogue contract. Those that were kept by other means may lack what it asks for."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from fast_api_service.catalog.fields import Text, Word
from fast_api_service.contracts.ids import Id

Tags = Annotated[list[Word], Field(max_length=100)]


class CustomerCreate(BaseModel):
    """A customer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"title": "Ada", "gender": "female", "age": 36, "location": "Oslo", "preference": "outdoor kitchen"}
            ]
        }
    )

    title: Text
    gender: Word
    age: Annotated[int, Field(ge=0, le=150)]
    location: Word
    preference: Text


class CustomerUpdate(CustomerCreate):
    """A customer that exists."""

    id: Id


class CustomerDTO(BaseModel):
    """A customer as kept."""

    id: Id
    title: str | None
    gender: str | None
    age: int | None
    location: str | None
    preference: str | None


class CategoryCreate(BaseModel):
    """A category."""

    title: Text


class CategoryUpdate(CategoryCreate):
    """A category that exists."""

    id: Id


class CategoryDTO(BaseModel):
    """A category as kept."""

    id: Id
    title: str | None


class ProductCreate(BaseModel):
    """A product."""

    title: Text
    category_id: Id
    description: Text
    tags: Tags | None = None


class ProductUpdate(ProductCreate):
    """A product that exists."""

    id: Id


class ProductDTO(BaseModel):
    """A product as kept."""

    id: Id
    title: str | None
    category_id: Id | None
    description: str | None
    tags: list[str]


class PurchaseCreate(BaseModel):
    """That a customer bought a product. The category is that of the product, whatever is given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"product_id": 3, "category_id": 1, "customer_id": 7}]})

    product_id: Id
    category_id: Id
    customer_id: Id


class PurchaseUpdate(PurchaseCreate):
    """A purchase that exists."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": 5, "product_id": 3, "category_id": 1, "customer_id": 7}]}
    )

    id: Id


class BoughtProduct(BaseModel):
    """What is known of a product that was bought."""

    category_id: Id | None
    category_title: str
    product_id: Id
    product_title: str
    product_tags: list[str] | None


class PurchaseDTO(BoughtProduct):
    """A purchase, with what is known of its product, category and customer."""

    id: Id
    customer_id: Id
    customer_title: str


class PurchaseRecord(BoughtProduct):
    """One purchase of a customer."""

    purchase_id: Id


class CustomerPurchases(CustomerDTO):
    """A customer and what was bought, the newest first."""

    purchases: list[PurchaseRecord]


class ProductInfo(BaseModel):
    """A product to make a vector of."""

    category_id: Id
    category_title: Text
    product_id: Id
    product_title: Text
    product_tags: Tags


class RecommendedProduct(BaseModel):
    """A product to show."""

    product_id: Id
    product: str
    category_id: Id | None
    category: str

"""Objects of the storefront contract, told by their `_model_class`. Fields that mean nothing here are passed over."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from fast_api_service.catalog.fields import Count, Money, Text, Weight
from fast_api_service.schemas import Identifier

Name = Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")]
Time = Annotated[
    datetime, AfterValidator(lambda time: time if time.tzinfo else time.replace(tzinfo=UTC))
]  # without an offset it is UTC
TextId = Annotated[Identifier, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
TextIds = Annotated[list[TextId], Field(max_length=1000)]


class StorefrontObject(BaseModel):
    """What all of them have."""

    model_config = ConfigDict(populate_by_name=True)


class Translation(StorefrontObject):
    """A product's texts in one language."""

    id: TextId | None = None
    title: Name | None = None
    short_description: Text | None = None
    description: Text | None = None


class Product(StorefrontObject):
    """A product; a product that is not published is hidden."""

    model_class: Literal["Product"] = Field(alias="_model_class")
    id: TextId
    published: bool = True
    category_id: TextId | None = None
    type_id: TextId | None = None
    product_translations: Annotated[list[Translation], Field(max_length=100)] = Field(default_factory=list)
    product_variants: TextIds = Field(default_factory=list)


class ProductVariant(StorefrontObject):
    """A variant of a product."""

    model_class: Literal["ProductVariant"] = Field(alias="_model_class")
    sku: TextId
    stock_quantity: Count = 0
    recommendation_weight: Weight = 1.0
    attributes: TextIds = Field(default_factory=list)


class ProductPrice(StorefrontObject):
    """What a variant costs; of several price lists the first one counts."""

    model_class: Literal["ProductPrice"] = Field(alias="_model_class")
    id: TextId
    price_list_code: Name = ""
    product_variant_sku: TextId | None = None
    price: Money


class ProductType(StorefrontObject):
    """A type of products."""

    model_class: Literal["ProductType"] = Field(alias="_model_class")
    id: TextId
    name: Name | None = None
    attribute_types: TextIds = Field(default_factory=list)


class ProductTranslation(Translation):
    """The same, told by itself: of the product that came with texts of this id."""

    model_class: Literal["ProductTranslation"] = Field(alias="_model_class")
    id: TextId


class AttributeType(StorefrontObject):
    """What attributes are called, and whether they are numbers."""

    model_class: Literal["AttributeType"] = Field(alias="_model_class")
    id: TextId
    type_name: Name | None = None
    value_type: Name | None = None


class Attribute(StorefrontObject):
    """A value that variants can have."""

    model_class: Literal["Attribute"] = Field(alias="_model_class")
    id: TextId
    type: TextId
    raw_value: Name | None = None


class Category(StorefrontObject):
    """A category of the tree."""

    model_class: Literal["Category"] = Field(alias="_model_class")
    id: TextId
    parent_id: TextId | None = None


class Order(StorefrontObject):
    """What a session bought: article numbers and how many."""

    model_class: Literal["Order"] = Field(alias="_model_class")
    token: TextId
    session_id: TextId
    user_id: TextId | None = None
    create_at: Time | None = None
    product_variants: Annotated[list[tuple[TextId, Annotated[int, Field(ge=1, le=10**6)]]], Field(max_length=1000)]


class Feedback(StorefrontObject):
    """What a session did with a product; `model_identifier` is the one of `/predict`, if that showed it."""

    session_id: TextId
    user_id: TextId | None = None
    product_id: TextId
    product_variant_sku: TextId | None = None
    recommendation_type: Name | None = None
    model_identifier: Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f]*$")] | None = None
    create_at: Time | None = None


class ProductAddToCart(Feedback):
    """Put in the cart."""

    model_class: Literal["ProductAddToCart"] = Field(alias="_model_class")


class ProductDetailEnter(Feedback):
    """Opened the product's page."""

    model_class: Literal["ProductDetailEnter"] = Field(alias="_model_class")


class ProductDetailLeave(Feedback):
    """Left the product's page after so many seconds."""

    model_class: Literal["ProductDetailLeave"] = Field(alias="_model_class")
    time_spent: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class RecommendationView(Feedback):
    """Saw a recommended product."""

    model_class: Literal["RecommendationView"] = Field(alias="_model_class")


class Review(Feedback):
    """Rated a product with 1 to 5 stars."""

    model_class: Literal["Review"] = Field(alias="_model_class")
    id: TextId
    rating: Annotated[int, Field(ge=1, le=5)]


Cascade = Annotated[list[Name], Field(max_length=20), BeforeValidator(lambda told: [] if told is None else told)]


class Config(StorefrontObject):
    """Which models answer where; a placement left out stays as it is.

    Sizes and hyperparameters are passed over: the pipeline's settings have these.
    """

    model_class: Literal["Config"] = Field(alias="_model_class")
    models_disabled: dict[Name, bool] = Field({}, alias="modelsDisabled")
    homepage_retrieval_cascade: Cascade = Field([], alias="homepageRetrievalCascade")
    homepage_scoring_cascade: Cascade = Field([], alias="homepageScoringCascade")
    category_list_scoring_cascade: Cascade = Field([], alias="categoryListScoringCascade")
    product_detail_retrieval_cascade: Cascade = Field([], alias="productDetailRetrievalCascade")
    product_detail_scoring_cascade: Cascade = Field([], alias="productDetailScoringCascade")
    cart_retrieval_cascade: Cascade = Field([], alias="cartRetrievalCascade")
    cart_scoring_cascade: Cascade = Field([], alias="cartScoringCascade")


class TrainerQueueItem(StorefrontObject):
    """A model to train."""

    model_class: Literal["TrainerQueueItem"] = Field(alias="_model_class")
    model_name: Name


Known = Annotated[
    Product
    | ProductVariant
    | ProductPrice
    | ProductType
    | ProductTranslation
    | AttributeType
    | Attribute
    | Category
    | Order
    | ProductAddToCart
    | ProductDetailEnter
    | ProductDetailLeave
    | RecommendationView
    | Review
    | Config
    | TrainerQueueItem,
    Field(discriminator="model_class"),
]
KNOWN: TypeAdapter[Any] = TypeAdapter(Known)

# Kept as told, to put products together from; with the field that is their id.
KEPT = {
    Product: "id",
    ProductVariant: "sku",
    ProductPrice: "id",
    ProductType: "id",
    ProductTranslation: "id",
    AttributeType: "id",
    Attribute: "id",
}
EVENTS = (Order, ProductAddToCart, ProductDetailEnter, ProductDetailLeave, RecommendationView, Review)

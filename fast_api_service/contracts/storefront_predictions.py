"""`/predict` of the storefront contract: our answers as ordered article numbers."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from fast_api_service.contracts.storefront_objects import TextId, TextIds
from fast_api_service.problems import ProblemError
from fast_api_service.recommendations.view import Question
from recsys.publishing.item_labels import ItemLabels
from recsys.schema import Placement


class RecommendationType(StrEnum):
    """Where in the shop it is shown."""

    HOMEPAGE = "HOMEPAGE"
    PRODUCT_DETAIL = "PRODUCT_DETAIL"
    CATEGORY_LIST = "CATEGORY_LIST"
    CART = "CART"


PLACEMENTS = {
    RecommendationType.HOMEPAGE: str(Placement.HOME),
    RecommendationType.PRODUCT_DETAIL: str(Placement.PRODUCT),
    RecommendationType.CATEGORY_LIST: str(Placement.CATEGORY),
    RecommendationType.CART: str(Placement.CART),
}
MOST_ITEMS = 100


class PredictionRequest(BaseModel):
    """Whose list, and what is on the page."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"recommendation_type": "CART", "session_id": "s-81", "variants_in_cart": ["mug-1-blue"]}]
        }
    )

    recommendation_type: RecommendationType
    session_id: TextId
    user_id: TextId | None = None
    category_id: TextId | None = Field(None, description="Of CATEGORY_LIST.")
    variants: TextIds = Field([], description="Of PRODUCT_DETAIL: article numbers of the product shown.")
    variants_in_cart: TextIds = Field([], description="Of CART.")
    limit: Annotated[int, Field(ge=1, le=10_000, strict=True)] | None = Field(
        None, description="Left out: all of a category up to 10,000 products, else 100."
    )


class RecommendationInfo(BaseModel):
    """Send it back with `ProductDetailEnter`, so that clicks and orders are counted."""

    recommendation_type: RecommendationType
    model_identifier: str = Field(description="The answer's `recommendation_id`.")
    model_name: str = Field(description="The source that put it there.")
    position: int = Field(description="From 0.")


class Prediction(BaseModel):
    """An article number to show, best first."""

    product_variant_sku: str
    rs_info: RecommendationInfo


@dataclass(frozen=True)
class Predicted:
    """One place of a list."""

    product_id: str
    sku: str
    source: str


def predict(request: Request, asked: PredictionRequest) -> tuple[list[Predicted], str]:
    """The ordered list, and the id of the answer it comes from.

    A category has every variant of every product, those that are sold out last; elsewhere each product comes with the
    variant that is best to show. A product without variants is told by its own id.
    """
    labels, recommender = request.app.state.service.facts.labels, request.app.state.recommender
    on_page = asked.variants if asked.recommendation_type is RecommendationType.PRODUCT_DETAIL else []
    on_page = asked.variants_in_cart if asked.recommendation_type is RecommendationType.CART else on_page
    # What has no variants is its own article.
    item_ids = tuple(dict.fromkeys([*labels.owners(on_page), *on_page]))
    placement = PLACEMENTS[asked.recommendation_type]
    if placement == Placement.CATEGORY:
        sources, answer_id = _category(recommender, asked), ""
    else:
        if placement == Placement.PRODUCT and not item_ids:
            placement = str(Placement.HOME)
        limit = min(asked.limit or MOST_ITEMS, MOST_ITEMS)
        question = Question(asked.user_id, limit, asked.session_id, item_ids[:MOST_ITEMS])
        answer = orjson.loads(recommender.recommend(placement, question))
        sources = {item["item_id"]: item["source"] for item in answer["items"]}
        answer_id = answer["recommendation_id"]
    found = _articles(labels, sources, whole=placement == Placement.CATEGORY)
    return found[: asked.limit], answer_id


def _category(recommender: Any, asked: PredictionRequest) -> dict[str, str]:
    if asked.category_id is None:
        return {}
    try:
        answer = recommender.positions(Question(asked.user_id, 1, asked.session_id, (), asked.category_id))
    except ProblemError as error:
        if error.status != 404:
            raise
        return {}  # a category without products
    ranks: dict[str, int | None] = orjson.loads(answer)["positions"]
    ordered = sorted((rank, item_id) for item_id, rank in ranks.items() if rank is not None)
    return {item_id: str(Placement.CATEGORY) for _, item_id in ordered}


def _articles(labels: ItemLabels, sources: dict[str, str], *, whole: bool) -> list[Predicted]:
    found: list[Predicted] = []
    sold_out: list[Predicted] = []
    for product_id, label in labels.of(sources).items():
        skus = (label.skus or [product_id])[: None if whole else 1]
        for place, sku in enumerate(skus):
            gone = whole and label.skus and place >= label.in_stock
            (sold_out if gone else found).append(Predicted(product_id, sku, sources[product_id]))
    return found + sold_out

"""The names used everywhere: columns, event types and their weights, tables, sources of a recommendation, reasons.

Ids are strings at every boundary (API, tables, files) and dense integers only inside a model.
"""

from enum import StrEnum


class Columns:
    """Column names of prepared frames and published tables."""

    USER = "user_id"
    ITEM = "item_id"
    SIMILAR_ITEM = "similar_item_id"  # beside ITEM, in frames of neighbours
    TIMESTAMP = "timestamp"  # polars Datetime("ms", "UTC") in prepared frames
    TIMESTAMP_MS = "timestamp_ms"  # milliseconds since the epoch, in raw tables and over HTTP
    EVENT_TYPE = "event_type"
    RATING = "rating"
    ORDER = "order_id"
    PRICE = "price"
    QUANTITY = "quantity"
    SESSION = "session_id"
    CATEGORY = "category_id"
    PARENT_CATEGORY = "parent_category_id"
    IS_AVAILABLE = "is_available"
    TITLE = "title"
    KEY = "key"
    ITEMS = "item_ids"
    SCORES = "scores"
    SCORE = "score"
    RANK = "rank"
    REASONS = "reasons"
    BASED_ON = "based_on"
    SOURCE = "source"


class EventType(StrEnum):
    """What a shopper did. Sources translate their own words (RetailRocket's `addtocart`, `transaction`) to these."""

    VIEW = "view"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    REMOVE_FROM_CART = "remove_from_cart"
    DETAIL_LEAVE = "detail_leave"  # left the product's page; `value` is how many seconds were spent there
    LIKE = "like"
    DISLIKE = "dislike"
    RATING = "rating"  # `value` is 1 to 5 stars
    IMPRESSION = "impression"  # a recommended item was seen
    CLICK = "click"  # a recommended item was opened


GOOD_RATING, BAD_RATING = 4, 2  # stars: as many or more say what a like says, as many or fewer what a dislike says


def meaning(event_type: str, value: float | None) -> str:
    """The type to go by: a rating with many or few stars is a like or a dislike; anything else is what it is called."""
    if event_type != EventType.RATING or value is None:
        return event_type
    if value >= GOOD_RATING:
        return EventType.LIKE
    return EventType.DISLIKE if value <= BAD_RATING else event_type


# The reference ratings, in floating point: 8-bit integers wrap when summed and truncate weights below 1.
# What is not listed says nothing of interest in an item, or the contrary, and the models do not learn from it.
EVENT_WEIGHTS: dict[EventType, float] = {
    EventType.VIEW: 1.0,
    EventType.ADD_TO_CART: 3.0,
    EventType.PURCHASE: 5.0,
    EventType.LIKE: 3.0,
    EventType.RATING: 1.0,  # neither good nor bad: as much as a view
}


class RawTable(StrEnum):
    """Tables of schema `raw`, one partition per load."""

    EVENTS = "events"
    ITEM_PROPERTIES = "item_properties"
    CATEGORY_TREE = "category_tree"


class Property(StrEnum):
    """Item properties that mean something to the pipeline; loaders translate a shop's own names to these."""

    CATEGORY = "categoryid"  # a category id
    AVAILABLE = "available"  # "1" or "0"
    PRICE = "price"  # a plain decimal
    TITLE = "title"


WHOLE_SHOP = ""  # the key of the default list that belongs to no category


class RecommendationTable(StrEnum):
    """Versioned tables of schema `recs`; each has a snapshot file per version."""

    DEFAULT = "default_recommendations"  # key: category id, "" is the whole shop
    PERSONALIZED = "personalized_recommendations"  # key: user id
    I2I = "i2i_recommendations"  # key: user id; based_on: the item of the history it comes from
    SIMILAR = "similar_items"  # key: item id
    RANKED = "ranked_recommendations"  # key: user id; reasons: the sources each candidate came from


class SnapshotTable(StrEnum):
    """Published like the five, but only as a snapshot file: nobody asks Postgres for it."""

    PURCHASES = "user_purchases"  # key: user id; item_ids: everything bought so far, newest first; no scores
    DISLIKES = "user_dislikes"  # the same of what was disliked and not liked since


PublishedTable = RecommendationTable | SnapshotTable


class Source(StrEnum):
    """Where an item of an answer came from, in the order the home placement prefers them."""

    RANKED = "ranked"
    PERSONALIZED = "personalized"
    ONLINE = "online"
    SIMILAR = "similar"
    CONTENT = "content"
    SELECTION = "selection"
    TRENDING = "trending"
    NEWEST = "newest"
    EXPLORATION = "exploration"
    DEFAULT = "default"


class Reason(StrEnum):
    """Why an item is shown, as a stable code; `based_on` names the item or category it refers to."""

    RANKED_FOR_YOU = "ranked_for_you"
    PERSONALIZED_FOR_YOU = "personalized_for_you"
    SIMILAR_TO_VIEWED = "similar_to_viewed"
    SIMILAR_TO_ITEM = "similar_to_item"
    SIMILAR_TO_CART = "similar_to_cart"
    SIMILAR_BY_CONTENT = "similar_by_content"
    FITS_PROFILE = "fits_profile"  # content vectors of a customer's purchases and profile
    PICKED_BY_SHOP = "picked_by_shop"
    TRENDING = "trending"
    NEW_IN_SHOP = "new_in_shop"
    NEW_TO_EXPLORE = "new_to_explore"
    POPULAR = "popular"
    POPULAR_IN_CATEGORY = "popular_in_category"
    FROM_CATALOGUE = "from_catalogue"  # nothing better is left to show


class Placement(StrEnum):
    """Where in the shop an answer is shown."""

    HOME = "home"
    PRODUCT = "product"
    CATEGORY = "category"
    CART = "cart"
    SEARCH_EMPTY = "search-empty"
    EMAIL = "email"


class Step(StrEnum):
    """The seven pipeline steps, in order; 7 is two tasks because training is monthly and ranking is daily."""

    PREPARE_DATASET = "prepare_dataset"
    TRAIN_ALS = "train_als"
    DEFAULT = "default"
    PERSONALIZED = "personalized"
    I2I = "i2i"
    SIMILAR_ITEMS = "similar_items"
    TRAIN_RANKER = "train_ranker"
    RANK = "rank"


class TrainedModel(StrEnum):
    """Models that are trained and judged by the gate."""

    ALS = "als"
    RANKER = "ranker"

"""The storefront recommender's contract, and what its reference got wrong (docs/regressions.md)."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fast_api_service.auth import RECHECK_S
from recsys import api_keys
from recsys.api_keys import Scope
from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service import published_shop
from tests.fast_api_service.running_service import Service

SKUS = {"9001": ["9001-s", "9001-m"], "9002": ["9002-u"], "9003": ["9003-u"]}
NOW = datetime.now(UTC)


def told(model_class: str, /, **fields: Any) -> dict[str, Any]:
    return {"_model_class": model_class, "create_at": NOW.isoformat(), "update_at": NOW.isoformat()} | fields


def store(api: Service, *objects: dict[str, Any]) -> dict[str, Any]:
    answer = api.post("/store_objects", list(objects))
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def predict(api: Service, kind: str, session_id: str = "s-1", **more: Any) -> list[dict[str, Any]]:
    answer = api.post("/predict", {"recommendation_type": kind, "session_id": session_id} | more, key="reader")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def skus(predictions: list[dict[str, Any]]) -> list[str]:
    return [each["product_variant_sku"] for each in predictions]


def rows(shop: RunContext, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


@pytest.fixture(scope="module")
def stocked(api: Service) -> None:
    """Three products of a small category tree, told in the order in which a shop's database happens to have them."""
    variants = [sku for some in SKUS.values() for sku in some]
    objects = [
        told("Product", id=9001, published=True, category_id=801, type_id=1, product_variants=SKUS["9001"],
             product_translations=[{"id": 1, "language_code": "en", "title": "Boot", "description": "Dry feet."}]),
        told("Attribute", id=71, type=7, raw_value="12.5", order=None, ext_attributes=[]),
        told("Attribute", id=81, type=8, raw_value="brown", order=None, ext_attributes=[]),
        told("AttributeType", id=7, type_name="shaft_cm", unit="cm"),
        told("AttributeType", id=8, type_name="colour", unit=None),
        *(told("ProductVariant", sku=sku, ean="", weight=1.0, stock_quantity=3, recommendation_weight=1.0,
               attributes=[71, 81]) for sku in variants),
        *(told("ProductPrice", id=number, price_list_code="EUR", product_variant_sku=sku, price=20.0 + number)
          for number, sku in enumerate(variants)),
        *(told("Product", id=int(product), published=True, category_id=802, type_id=1, product_variants=SKUS[product],
               product_translations=[]) for product in ("9002", "9003")),
        told("ProductType", id=1, name="shoe", products=[9001], attribute_types=[7, 8]),
        told("Category", id=802, parent_id=801),
        told("Category", id=801, parent_id=None),
    ]  # fmt: skip
    assert store(api, *objects) == {"stored": len(objects), "rejected": []}
    # Answers go by what the host knows, which follows within two seconds.
    page = {"recommendation_type": "CATEGORY_LIST", "session_id": "s-1", "category_id": 801}
    wait_until(lambda: all(api.post("/predict/product_positions", page).json().keys() == SKUS.keys() for _ in range(4)))


def test_a_product_is_put_together_from_what_was_told_in_any_order(stocked: None, api: Service) -> None:
    boot = api.get("/v1/products/9001").json()
    assert (boot["title"], boot["description"], boot["category_id"]) == ("Boot", "Dry feet.", "801")
    assert (boot["price"], boot["stock"], boot["is_hidden"]) == (20.0, 6, False)
    assert boot["attributes"] == {"shaft_cm": 12.5, "colour": "brown"}
    assert [variant["sku"] for variant in boot["variants"]] == ["9001-m", "9001-s"]
    store(api, told("AttributeType", id=8, type_name="color", unit=None), told("ProductPrice", id=0, price=5.5,
          price_list_code="EUR", product_variant_sku="9001-s"))  # fmt: skip
    changed = api.get("/v1/products/9001").json()
    assert changed["attributes"] == {"shaft_cm": 12.5, "color": "brown"}
    assert changed["price"] == 5.5
    store(api, told("Product", id=9003, published=False, category_id=802, product_variants=SKUS["9003"]))
    assert api.get("/v1/products/9003").json()["is_hidden"]
    store(api, told("Product", id=9003, published=True, category_id=802, product_variants=SKUS["9003"]))


@pytest.mark.parametrize(
    ("name", "fields", "kind", "value"),
    [
        ("ProductDetailEnter", {"recommendation_type": None, "position": None}, "view", None),
        ("ProductDetailLeave", {"time_spent": 12.5}, "detail_leave", 12.5),
        ("ProductAddToCart", {}, "add_to_cart", None),
        ("RecommendationView", {"recommendation_type": "HOMEPAGE", "position": 3}, "impression", None),
        ("Review", {"id": 5, "rating": 4}, "rating", 4.0),
    ],
)
def test_feedback_becomes_events_and_can_be_sent_again(
    stocked: None, api: Service, shop: RunContext, name: str, fields: dict[str, Any], kind: str, value: float | None
) -> None:
    session = f"feedback-{kind}"
    seen = told(name, session_id=session, user_id=44, product_id=9001, product_variant_sku="9001-s", **fields)
    for _ in range(2):
        answer = api.post("/store_object", seen)
        assert (answer.status_code, answer.json()["stored"]) == (200, 1), answer.text
    statement = (
        "select event_type, item_id, user_id, value, timestamp_ms from raw.collected_events where session_id = %s"
    )
    assert rows(shop, statement, session) == [(kind, "9001", "44", value, round(NOW.timestamp() * 1000))]


def test_an_order_is_a_purchase_of_each_product(stocked: None, api: Service, shop: RunContext) -> None:
    store(api, told("Order", token="o-1", session_id="buyer", product_variants=[["9001-m", 2], ["unknown-sku", 1]]))
    statement = (
        "select item_id, price, quantity, order_id from raw.collected_events where session_id = 'buyer' order by 1"
    )
    assert rows(shop, statement) == [("9001", 21.0, 2.0, "o-1"), ("unknown-sku", None, 1.0, "o-1")]


def test_bad_objects_do_not_block_good_ones(stocked: None, api: Service) -> None:
    receipt = store(
        api,
        told("Category", id=803, parent_id=None),
        told("Nonsense"),
        told("Review", id=1, session_id="s", product_id=9001, rating=9),
        told("Category", id=801, parent_id=802),
        told("ProductDetailEnter", session_id="s", product_id=1, create_at=(NOW + timedelta(days=2)).isoformat()),
        told("TrainerQueueItem", model_name="magic"),
        told("Product", id=9004, product_variants=["9001-s"]),
    )
    assert receipt["stored"] == 1
    assert sorted(each["index"] for each in receipt["rejected"]) == [1, 2, 3, 4, 5, 6]
    assert all(each["errors"][0]["remedy"] for each in receipt["rejected"])
    assert api.get("/v1/categories/803").status_code == 200
    assert api.post("/store_object", told("Nonsense")).status_code == 422


def test_a_home_page_lists_article_numbers_with_where_they_come_from(stocked: None, api: Service) -> None:
    found = predict(api, "HOMEPAGE", user_id="anna", limit=5)
    assert len(found) == len(set(skus(found))) == 5
    assert [each["rs_info"]["position"] for each in found] == list(range(5))
    assert {each["rs_info"]["recommendation_type"] for each in found} == {"HOMEPAGE"}
    assert "ranked" in {each["rs_info"]["model_name"] for each in found}


def test_a_click_is_attributed_to_the_answer_that_showed_it(stocked: None, api: Service, shop: RunContext) -> None:
    shown = predict(api, "HOMEPAGE", user_id="anna", limit=3)[1]
    clicked = {"product_id": shown["product_variant_sku"], "product_variant_sku": shown["product_variant_sku"]}
    store(api, told("ProductDetailEnter", session_id="clicker", user_id="anna2", **clicked, **shown["rs_info"]))
    statement = "select placement, source from raw.collected_events where session_id = 'clicker'"
    assert rows(shop, statement) == [("home", shown["rs_info"]["model_name"])]


def test_category_requests_list_every_product_with_what_is_sold_out_last(stocked: None, api: Service) -> None:
    """The reference crashed on them."""
    store(api, told("ProductVariant", sku="9002-u", stock_quantity=0), told("ProductVariant", sku="9001-s",
          stock_quantity=0, attributes=[71, 81]))  # fmt: skip

    def listed() -> bool:
        found = skus(predict(api, "CATEGORY_LIST", category_id=801))
        return set(found) == {"9001-m", "9001-s", "9002-u", "9003-u"} and set(found[2:]) == {"9001-s", "9002-u"}

    wait_until(listed)  # a change of stock reaches the service within 5 seconds
    asked = {"recommendation_type": "CATEGORY_LIST", "session_id": "s-1", "category_id": 801}
    positions = api.post("/predict/product_positions", asked, key="reader").json()
    order = skus(predict(api, "CATEGORY_LIST", category_id=801))
    assert positions == {product: min(order.index(sku) for sku in some) for product, some in SKUS.items()}
    assert predict(api, "CATEGORY_LIST", category_id=999) == []
    store(api, told("ProductVariant", sku="9002-u", stock_quantity=3), told("ProductVariant", sku="9001-s",
          stock_quantity=3, attributes=[71, 81]))  # fmt: skip


def test_all_variants_and_the_whole_cart_count_and_none_of_them_is_recommended(stocked: None, api: Service) -> None:
    """In the reference one random variant decided the product's page, and what was in the cart came back."""
    cart = ["x40", "x60", "x80"]
    found = set(skus(predict(api, "CART", variants_in_cart=cart, limit=30)))
    assert not found & set(cart)
    for item_id in cart:
        assert found & set(published_shop.neighbours(item_id)), item_id
    page = predict(api, "PRODUCT_DETAIL", variants=SKUS["9001"], limit=20)
    assert page
    assert not set(skus(page)) & set(SKUS["9001"])
    for variants in (SKUS["9001"][::-1], SKUS["9001"][:1], SKUS["9001"][1:]):
        assert skus(predict(api, "PRODUCT_DETAIL", variants=variants, limit=20)) == skus(page)


def test_what_was_bought_is_not_recommended_again(stocked: None, api: Service) -> None:
    first = skus(predict(api, "HOMEPAGE", session_id="loyal", limit=3))[0]
    store(api, told("Order", token="o-2", session_id="loyal", product_variants=[[first, 1]]))
    for _ in range(4):  # whichever worker answers
        assert first not in skus(predict(api, "HOMEPAGE", session_id="loyal", limit=30))


def test_a_config_chooses_and_disables_models_and_every_model_can_be_chosen(stocked: None, api: Service) -> None:
    """In the reference EASE could never be chosen."""
    cascade = ["popularity", "ease", "dummy"]
    config = told("Config", homepageScoringCascade=cascade, modelsDisabled={"popularity": True}, retrievalSize=1000)
    before = api.get("/v1/configuration").json()
    try:
        store(api, config)
        placements = api.get("/v1/configuration").json()["placements"]
        steps = [(step["source"], step["enabled"]) for step in placements["home"]["cascade"]]
        assert steps == [("trending", False), ("default", False), ("ranked", True), ("personalized", True)]
        assert placements["cart"] == before["placements"]["cart"]

        def chosen() -> bool:
            sources = {each["rs_info"]["model_name"] for each in predict(api, "HOMEPAGE", user_id="anna", limit=5)}
            return sources == {"ranked"}

        wait_until(chosen)
        for wrong in (["magic"], ["popularity"]):
            refused = api.post("/store_object", config | {"homepageScoringCascade": wrong})
            assert refused.status_code == 422, refused.text
    finally:
        assert api.post("/v1/configuration/rollback", {"version": before["version"]}).status_code == 200


def test_a_wish_to_train_is_queued_once(stocked: None, api: Service) -> None:
    for _ in range(2):
        store(api, told("TrainerQueueItem", model_name="ease"))
    newest = api.get("/v1/training", model="als").json()["requests"]
    assert len(newest) == 1
    assert newest[0]["trigger"] == "api"


def test_the_dashboard_counts_answers_as_they_are_given(stocked: None, api: Service) -> None:
    """In the reference times were taken when it was imported, and figures were not split by placement."""

    def told_of(now: datetime) -> dict[str, Any]:
        times = {"date_from": (now - timedelta(days=1)).isoformat(), "date_to": now.isoformat()}
        answer = api.get("/dashboard", **{name: time.replace("+00:00", "Z") for name, time in times.items()})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def predictions() -> int:
        return int(told_of(datetime.now(UTC))["performance"]["general"]["data"]["predictions"])

    before = predictions()
    for _ in range(7):
        predict(api, "HOMEPAGE", session_id="counted")
    wait_until(lambda: predictions() >= before + 7, 15)
    board = told_of(datetime.now(UTC))
    assert {model["name"] for model in board["models"]} == set(board["performance"]["modelSpecific"])
    assert board["performance"]["general"]["data"]["retrievalDuration"]["max"] > 0
    assert board["training"]["general"]["data"]["trainings"].keys() == {"started", "completed", "failed"}
    assert board["config"]["homepageScoringCascade"][0] == "ease"
    assert api.get("/dashboard", date_from="2026-01-02T00:00:00Z", date_to="2026-01-01T00:00:00Z").status_code == 422
    assert time.time() > NOW.timestamp()


def test_configuring_and_training_need_more_than_storing(api: Service) -> None:
    for key in ("reader", "events"):
        assert api.post("/store_object", told("Category", id=804), key=key).status_code == 403
    storing = api_keys.create(api.folder / "api_keys.json", "storefront", [Scope.CATALOG, Scope.EVENTS])
    api.keys["storefront"] = storing

    def status(*objects: dict[str, Any]) -> int:
        return api.post("/store_objects", list(objects), key="storefront").status_code

    time.sleep(RECHECK_S + 0.1)  # each of the workers looks for new keys at the first request after so long
    assert status(told("Category", id=804)) == 200
    assert status(told("Category", id=805), told("TrainerQueueItem", model_name="ease")) == 403
    assert status(told("Config", homepageScoringCascade=["ease"])) == 403
    assert api.get("/v1/categories/805").status_code == 404, "nothing of a refused request is stored"


def test_the_address_itself_is_the_health_check(api: Service) -> None:
    assert api.client.get("/").status_code == 200

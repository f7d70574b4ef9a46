"""Placements over HTTP: each answers from its sources, and never with what the shopper has, hates or cannot get."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.placements import token
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.published_shop import UNAVAILABLE, neighbours
from tests.fast_api_service.running_service import Service

PATH = "/v1/recommendations"
TOYS = [f"x{number}" for number in range(100, 108)]  # x104 on are dolls, below toys; x101 sold out, x106 hidden
FACTS = """
update recs.item_state set category_id = case when item_id >= 'x104' then 'dolls' else 'toys' end,
       is_available = item_id <> 'x101', is_hidden = item_id = 'x106'
where item_id = any(%s)
"""
AS_BEFORE = """
update recs.item_state set category_id = null, is_available = true, is_hidden = false
where item_id = any(%s)
"""


@pytest.fixture(scope="module", autouse=True)
def _toys(api: Service, shop: RunContext) -> Iterator[None]:
    def change(statement: str, categories: str) -> None:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute(statement, (TOYS,))
            cursor.execute(categories)

    change(
        FACTS,
        "insert into shop.categories (dataset, category_id, parent_id, is_repeatable) values"
        " ('shop', 'toys', null, false), ('shop', 'dolls', 'toys', true)",
    )
    wait_until(lambda: all(len(category(api, "toys")) == 7 for _ in range(8)))
    yield
    change(AS_BEFORE, "delete from shop.categories where category_id in ('toys', 'dolls')")
    wait_until(lambda: all("x101" in api.items(PATH, limit=100, placement="home") for _ in range(8)))


def category(api: Service, category_id: str, **more: Any) -> list[str]:
    return api.items(PATH, placement="category", category_id=category_id, **more)


def exclude(item_id: str, placement: str) -> dict[str, Any]:
    return {"action": "exclude", "conditions": {"item_ids": [item_id]}, "placements": [placement]}


def event(api: Service, kind: str, item_id: str, **who: str) -> None:
    assert api.post("/v1/events", {"event_type": kind, "item_id": item_id} | who).status_code == 200


def test_a_product_page_shows_what_is_like_it_and_never_the_product(api: Service) -> None:
    answer = api.get(PATH, placement="product", item_ids="x40", limit=8).json()
    assert [item["item_id"] for item in answer["items"]][:5] == neighbours("x40")
    assert {(i["source"], i["reason"], i["based_on"]) for i in answer["items"][:5]} == {
        ("similar", "similar_to_item", "x40")
    }
    assert "x40" not in [item["item_id"] for item in answer["items"]]


def test_all_items_of_a_product_page_or_cart_count(api: Service) -> None:
    for placement, reason in (("product", "similar_to_item"), ("cart", "similar_to_cart")):
        answer = api.post(PATH, {"placement": placement, "item_ids": ["x40", "x60"], "limit": 10}).json()
        assert {item["item_id"] for item in answer["items"]} == {*neighbours("x40"), *neighbours("x60")}
        assert {(item["reason"], item["based_on"]) for item in answer["items"]} == {(reason, "x40"), (reason, "x60")}
        shared = api.items(PATH, placement=placement, item_ids="x40,x41", limit=1)
        assert shared[0] in {*neighbours("x40")} & {*neighbours("x41")}  # near to both


def test_a_cart_that_events_told_of_needs_not_be_told_again(api: Service) -> None:
    event(api, "add_to_cart", "x70", session_id="cart-1")
    answer = api.get(PATH, placement="cart", session_id="cart-1", limit=5).json()
    assert [item["item_id"] for item in answer["items"]] == neighbours("x70")
    event(api, "remove_from_cart", "x70", session_id="cart-1")
    assert api.get(PATH, placement="cart", session_id="cart-1", limit=5).json()["items"][0]["source"] != "similar"


def test_what_is_in_the_cart_disliked_bought_or_excluded_is_not_shown(api: Service) -> None:
    who = {"session_id": "picky"}
    for kind, item_id in (("add_to_cart", "d2"), ("dislike", "d3"), ("purchase", "d4")):
        event(api, kind, item_id, **who)
    for placement in ("home", "cart", "email", "search-empty"):
        items = api.items(PATH, placement=placement, limit=100, exclude="d5,d6", **who)
        assert len(items) == 100
        assert not {"d2", "d3", "d4", "d5", "d6", *UNAVAILABLE, "x101", "x106"} & set(items)


def test_what_was_bought_of_a_repeatable_kind_may_come_again(api: Service) -> None:
    for item_id in ("x102", "x105"):
        event(api, "purchase", item_id, user_id="parent")
    assert {"x102", "x105"} & set(category(api, "toys", user_id="parent")) == {"x105"}


def test_a_guest_s_session_is_reacted_to(api: Service) -> None:
    event(api, "view", "x50", session_id="guest-1")
    answer = api.get(PATH, session_id="guest-1", limit=5).json()
    assert [item["item_id"] for item in answer["items"]] == neighbours("x50")
    event(api, "view", "x55", user_id="with-session")
    both = api.items(PATH, user_id="with-session", session_id="guest-1", limit=10)
    assert set(both) >= {*neighbours("x50"), *neighbours("x55")} - {"x55"}


def test_a_category_shows_all_of_it_and_below_with_what_is_sold_out_last(api: Service) -> None:
    items = category(api, "toys", limit=50)
    assert sorted(items[:-1]) == ["x100", "x102", "x103", "x104", "x105", "x107"]
    assert items[-1] == "x101"
    assert sorted(category(api, "dolls")) == ["x104", "x105", "x107"]
    assert api.put("/v1/rules/not-this", exclude("x101", "category")).status_code == 201
    wait_until(lambda: all("x101" not in category(api, "toys", limit=50) for _ in range(8)))
    assert api.delete("/v1/rules/not-this").status_code == 204
    wait_until(lambda: all(category(api, "toys", limit=50)[-1] == "x101" for _ in range(8)))
    answer = api.get(PATH, placement="category", category_id="toys").json()
    assert answer["fallback_reason"] is None
    unknown = api.get(PATH, placement="category", category_id="nothing").json()
    assert (len(unknown["items"]), unknown["fallback_reason"]) == (10, "unknown_category")


def test_a_category_begins_with_what_the_shopper_is_after(api: Service) -> None:
    event(api, "view", "x102", user_id="toy-lover")
    order = category(api, "toys", user_id="toy-lover", limit=4)
    assert order[:3] == [item for item in neighbours("x102") if item in TOYS and item != "x106"][:3]


def test_a_category_is_whole_whatever_sources_are_enabled(api: Service) -> None:
    api.put("/v1/configuration", {"placements": {"category": {"cascade": [{"source": "newest"}]}}})
    try:
        time.sleep(0.5)  # longer than a worker takes to look
        assert len(category(api, "toys", limit=50)) == 7
    finally:
        api.post("/v1/configuration/rollback", {"version": 0})


@pytest.mark.parametrize("mix", [{"diversity": 1}, {"category_cap": 1}])
def test_the_best_fifty_are_mixed(api: Service, shop: RunContext, mix: dict[str, Any]) -> None:
    """Where few of them are asked for too, and where a ranked list would be the whole answer."""

    def of_kind(kind: str | None) -> None:
        with postgres.transaction(shop.postgres) as cursor:
            alike = ["r2", "r3", "r4", "r5", "r6", "x41", "x42", "x43", "x44"]
            cursor.execute("update recs.item_state set category_id = %s where item_id = any(%s)", (kind, alike))

    def shown() -> tuple[list[str], list[str]]:
        ranked = api.items(PATH, user_id="anna", limit=2)
        return ranked, api.items(PATH, placement="product", item_ids="x40", limit=2)

    cascades = {"home": [{"source": "ranked"}], "product": [{"source": "similar"}]}
    placements = {placement: {"cascade": cascade} | mix for placement, cascade in cascades.items()}
    assert api.put("/v1/configuration", {"placements": placements}).status_code == 200
    of_kind("alike")
    try:
        wait_until(lambda: all(shown() == (["r2", "r7"], ["x41", "x45"]) for _ in range(4)), 20)
    finally:
        of_kind(None)
        api.post("/v1/configuration/rollback", {"version": 0})
    wait_until(lambda: all(shown() == (["r2", "r3"], ["x41", "x42"]) for _ in range(4)), 20)


def test_positions_are_those_of_the_whole_category(api: Service) -> None:
    event(api, "purchase", "x100", user_id="collector")
    found = api.get(f"{PATH}/positions", category_id="toys", user_id="collector").json()
    assert found["items"] == 8
    ranks = found["positions"]
    assert sorted(ranks.values()) == list(range(1, 8))
    assert (ranks["x100"], ranks["x101"]) == (6, 7)  # what is done with, then what is sold out
    assert "x106" not in ranks
    asked = api.post(
        f"{PATH}/positions", {"category_id": "toys", "user_id": "collector", "item_ids": ["x104", "x106", "ghost"]}
    )
    assert asked.json()["positions"] == {"x104": ranks["x104"], "x106": None, "ghost": None}
    assert api.get(f"{PATH}/positions", category_id="nothing").status_code == 404


def test_the_same_by_get_and_by_post(api: Service) -> None:
    for question in (
        {"placement": "home", "user_id": "anna", "limit": 7},
        {"placement": "category", "category_id": "toys", "limit": 3},
    ):
        got, posted = api.get(PATH, **question).json(), api.post(PATH, question).json()  # type: ignore[arg-type]
        for each in (got, posted):
            told = token.read(each.pop("recommendation_id"))
            assert told is not None
            assert told.placement == question["placement"]
        assert got == posted


@pytest.mark.parametrize(
    ("question", "field", "part"),
    [
        ({"placement": "product"}, "item_ids", "Give it"),
        ({"placement": "category"}, "category_id", "Give it"),
        ({"placement": "hoem"}, "placement", "'home', 'product', 'category', 'cart'"),
        ({"exclude": ",".join(map(str, range(101)))}, "exclude", "at most 100"),
    ],
)
def test_what_is_missing_or_unknown_is_named(api: Service, question: dict[str, str], field: str, part: str) -> None:
    refused = api.get(PATH, **question)
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"].endswith(field)
    assert part in error["remedy"]


def test_explored_items_say_how_likely_they_were(api: Service, shop: RunContext) -> None:
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(
            "insert into shop.live_lists (dataset, name, item_ids, scores)"
            " values ('shop', 'exploration', '{x90,x91,r1}', '{0.6,0.2,0.2}')"
        )
    cascade = {"cascade": [{"source": "default"}], "exploration": 0.5}
    assert api.put("/v1/configuration", {"placements": {"email": cascade}}).status_code == 200

    def explored() -> list[tuple[str, float | None]]:
        answer = api.get(PATH, placement="email", limit=4).json()
        told = token.read(answer["recommendation_id"])
        items = [item["item_id"] for item in answer["items"] if item["source"] == "exploration"]
        return [(item, origin.propensity) for item in items if told and (origin := told.origin(item))]

    wait_until(lambda: any(explored() for _ in range(8)))
    found = [each for _ in range(30) for each in explored()]
    assert {item for item, _ in found} == {"x90", "x91"}  # r1 is sold out
    for item, propensity in found:
        assert propensity == pytest.approx({"x90": 0.375, "x91": 0.125}[item], rel=0.03) or propensity == pytest.approx(
            0.5, rel=0.03
        )
    assert api.put("/v1/rules/not-this", exclude("x91", "email")).status_code == 201
    wait_until(lambda: "x91" not in {item for _ in range(30) for item, _ in explored()})
    assert api.delete("/v1/rules/not-this").status_code == 204
    api.post("/v1/configuration/rollback", {"version": 0})
    wait_until(lambda: not any(explored() for _ in range(8)))

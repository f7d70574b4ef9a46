"""Cascades over HTTP: what is shown to whom, in which order, and what never is."""

from typing import Any

import pytest

from recsys.placements import token
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.published_shop import (
    BOUGHT_BY_ANNA,
    CATALOGUE,
    DISLIKED_BY_DIRK,
    PERSONALIZED,
    POPULAR,
    RANKED,
    UNAVAILABLE,
    neighbours,
)
from tests.fast_api_service.running_service import Service

HOME = "/v1/recommendations"
HIDDEN_FROM_ANNA = {*UNAVAILABLE, *BOUGHT_BY_ANNA}


def shown(items: list[str], hidden: Any = UNAVAILABLE) -> list[str]:
    return [item for item in items if item not in hidden]


def test_ranked_then_personalized_then_default_without_bought_or_unavailable_items(api: Service) -> None:
    expected = shown([*RANKED, *PERSONALIZED, *POPULAR], HIDDEN_FROM_ANNA)
    answer = api.get(HOME, user_id="anna", limit=len(expected)).json()
    assert [item["item_id"] for item in answer["items"]] == expected
    assert [item["source"] for item in answer["items"]] == ["ranked"] * 6 + ["personalized"] * 6 + ["default"] * 10
    assert [item["rank"] for item in answer["items"]] == list(range(1, len(expected) + 1))
    assert answer["items"][0]["reason"] == "ranked_for_you"
    assert answer["fallback_reason"] == "list_exhausted"


@pytest.mark.parametrize("user_id", ["anna", "ben", "carl", "nobody", None])
@pytest.mark.parametrize("limit", [1, 7, 40, 100])
def test_exactly_as_many_as_asked_without_duplicates(api: Service, user_id: str | None, limit: int) -> None:
    items = api.items(HOME, limit=limit, **({"user_id": user_id} if user_id else {}))
    assert len(items) == len(set(items)) == limit
    assert not set(items) & (HIDDEN_FROM_ANNA if user_id == "anna" else set(UNAVAILABLE))
    assert set(items) <= set(CATALOGUE)


def test_an_unknown_user_gets_the_default_list_and_the_reason(api: Service) -> None:
    answer = api.get(HOME, user_id="nobody", limit=5).json()
    assert [item["item_id"] for item in answer["items"]] == shown(POPULAR)[:5]
    assert {item["source"] for item in answer["items"]} == {"default"}
    assert answer["fallback_reason"] == "unknown_user"


def test_what_was_disliked_long_ago_is_not_shown_until_it_is_liked(api: Service) -> None:
    expected = shown(POPULAR, {*UNAVAILABLE, *DISLIKED_BY_DIRK})
    assert api.items(HOME, user_id="dirk", limit=len(expected)) == expected
    like = {"event_type": "like", "user_id": "dirk", "item_id": "d3"}
    assert api.post("/v1/events", like, "events").status_code == 200
    assert {"d2", "d3"} & set(api.items(HOME, user_id="dirk", limit=100)) == {"d3"}


def test_stored_neighbours_of_older_events_are_online_items(api: Service) -> None:
    first = api.get(HOME, user_id="carl", limit=3).json()["items"][0]
    assert (first["item_id"], first["source"], first["based_on"]) == ("x1", "online", "d7")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", HOME, None),
        ("GET", f"{HOME}?user_id=anna", None),
        ("GET", f"{HOME}/default", None),
        ("GET", f"{HOME}/default?category_id=shoes", None),
        ("GET", f"{HOME}/personalized/anna", None),
        ("GET", f"{HOME}/online/carl", None),
        ("POST", f"{HOME}/online", {"item_ids": ["d3"]}),
        ("GET", "/v1/items/d3/similar", None),
    ],
)
def test_every_answer_says_where_it_comes_from(api: Service, method: str, path: str, body: Any) -> None:
    answers = [(api.get(path) if method == "GET" else api.post(path, body)).json() for _ in range(2)]
    assert answers[0]["recommendation_id"] != answers[1]["recommendation_id"]
    told = token.read(answers[0]["recommendation_id"])
    assert told is not None
    assert (told.placement, told.version) == (answers[0]["placement"], answers[0]["version"])
    assert answers[0]["version"] == answers[1]["version"] > 0
    assert (answers[0]["degraded"], answers[0]["degraded_reasons"]) == (False, [])
    assert len(answers[0]["items"]) == 10
    for item in answers[0]["items"]:
        assert set(item) == {"item_id", "rank", "score", "source", "reason", "based_on"}
        assert item["reason"]
        origin = told.origin(item["item_id"])
        assert origin is not None
        assert origin.source == item["source"]


def test_the_personalized_list_is_topped_up(api: Service) -> None:
    assert api.items(f"{HOME}/personalized/ben", limit=4) == [*PERSONALIZED[:2], *shown(POPULAR)[:2]]
    assert api.get(f"{HOME}/personalized/nobody").json()["fallback_reason"] == "unknown_user"


def test_default_lists_by_category(api: Service) -> None:
    answer = api.get(f"{HOME}/default", category_id="shoes", limit=4).json()
    assert [item["item_id"] for item in answer["items"]] == ["s0", "s1", "s2", "d0"]
    assert (answer["items"][0]["reason"], answer["items"][0]["based_on"]) == ("popular_in_category", "shoes")
    assert api.get(f"{HOME}/default", category_id="hats").json()["fallback_reason"] == "unknown_category"
    assert api.items(f"{HOME}/default", limit=3) == ["d0", "d2", "d3"]


def test_similar_items_never_hold_the_item_itself(api: Service) -> None:
    answer = api.get("/v1/items/d10/similar", limit=20).json()
    items = [item["item_id"] for item in answer["items"]]
    assert items[:4] == shown(neighbours("d10"))
    assert "d10" not in items
    assert {(item["source"], item["based_on"]) for item in answer["items"][:4]} == {("similar", "d10")}


def test_an_unknown_item_is_not_found(api: Service) -> None:
    answer = api.get("/v1/items/ghost/similar")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "'ghost'" in answer.json()["detail"]


def test_a_guest_gets_neighbours_of_what_he_looked_at(api: Service) -> None:
    answer = api.post(f"{HOME}/online", {"item_ids": ["x20", "x40"], "limit": 30}).json()
    items = [item["item_id"] for item in answer["items"]]
    assert items[0] == neighbours("x40")[0]  # the newest counts most
    assert {*neighbours("x20"), *neighbours("x40")} <= set(items)
    assert not {"x20", "x40"} & set(items)
    unknown = api.post(f"{HOME}/online", {"item_ids": ["ghost"]}).json()
    assert (unknown["fallback_reason"], unknown["items"][0]["source"]) == ("unknown_items", "default")


def test_the_next_answer_of_every_worker_reacts_to_an_event(api: Service) -> None:
    assert api.post("/v1/events", {"event_type": "view", "user_id": "dora", "item_id": "x50"}).status_code == 200
    for _ in range(10):
        answer = api.get(HOME, user_id="dora", limit=5).json()
        assert [item["item_id"] for item in answer["items"]] == neighbours("x50")
        assert {(i["source"], i["reason"], i["based_on"]) for i in answer["items"]} == {
            ("online", "similar_to_viewed", "x50")
        }


def test_a_new_event_is_woven_into_the_stored_list(api: Service) -> None:
    api.post("/v1/events", {"event_type": "view", "user_id": "ben", "item_id": "x60"})
    answer = api.get(HOME, user_id="ben", limit=5).json()
    assert [item["source"] for item in answer["items"]] == ["personalized", "online"] * 2 + ["online"]
    assert [item["item_id"] for item in answer["items"]] == ["p0", "x61", "p1", "x62", "x63"]


def test_a_bought_item_is_never_shown_again(api: Service) -> None:
    assert "d2" in api.items(HOME, user_id="emil", limit=100)
    api.post("/v1/events", {"event_type": "purchase", "user_id": "emil", "item_id": "d2"})
    for path in (HOME + "?user_id=emil", f"{HOME}/personalized/emil?x=", f"{HOME}/online/emil?x="):
        assert not any("d2" in api.items(f"{path}&limit=100") for _ in range(4))


def test_a_stock_change_reaches_the_answers(api: Service, shop: Any) -> None:
    def set_available(value: bool) -> None:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("update recs.item_state set is_available = %s where item_id = 'd4'", (value,))

    set_available(False)
    wait_until(lambda: all("d4" not in api.items(HOME, limit=100) for _ in range(6)))
    set_available(True)
    wait_until(lambda: all("d4" in api.items(HOME, limit=100) for _ in range(6)))

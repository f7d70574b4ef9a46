"""The like/dislike service's contract, and what its reference got wrong (docs/regressions.md)."""

import time
from concurrent.futures import ThreadPoolExecutor

from recsys.pipeline.context import RunContext
from recsys.sources import datasets
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service import published_shop
from tests.fast_api_service.running_service import Service


def recs(api: Service, user_id: str) -> list[str]:
    answer = api.get(f"/recs/{user_id}")
    assert answer.status_code == 200, answer.text
    found: list[str] = answer.json()["item_ids"]
    return found


def interact(api: Service, user_id: str, **actions: str) -> None:
    body = {"user_id": user_id, "item_ids": list(actions), "actions": list(actions.values()), "timestamp": time.time()}
    answer = api.post("/interact", body)
    assert (answer.status_code, answer.json()) == (200, 200), answer.text


def stored(shop: RunContext, user_id: str) -> list[tuple[str, str]]:
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(
            "select item_id, event_type from raw.collected_events where user_id = %s order by item_id", (user_id,)
        )
        return list(cursor.fetchall())


def rows(shop: RunContext) -> dict[str, int]:
    """How many rows of the shop each table has that others than the worker write."""
    tables = ("raw.collected_events", "recs.item_state", "recs.versions", "shop.products")
    found = {}
    with postgres.transaction(shop.postgres) as cursor:
        for table in tables:
            cursor.execute(f"select count(*) from {table} where dataset = 'shop'")
            (found[table],) = cursor.fetchone() or (0,)
    return found


def test_ten_items_for_a_cold_user_and_for_a_known_one(api: Service) -> None:
    cold = recs(api, "cold")
    assert len(cold) == len(set(cold)) == 10
    assert set(recs(api, "anna")) & set(published_shop.RANKED)


def test_an_interaction_is_stored_when_it_is_answered(api: Service, shop: RunContext) -> None:
    """Not acknowledged before it is stored, and no last batch that waits to be flushed."""
    interact(api, "dora", x10="like", x11="dislike")
    assert stored(shop, "dora") == [("x10", "like"), ("x11", "dislike")]


def test_a_like_changes_the_next_list_and_a_dislike_never_comes_back(api: Service) -> None:
    before = recs(api, "erik")
    interact(api, "erik", x20="like")
    liked = recs(api, "erik")
    assert set(published_shop.neighbours("x20")) & set(liked)
    assert liked != before
    shown = liked[0]
    interact(api, "erik", **{shown: "dislike"})
    for _ in range(4):  # whichever worker answers
        assert shown not in recs(api, "erik")


def test_what_a_user_has_seen_does_not_come_back(api: Service) -> None:
    popular = recs(api, "gerd")
    interact(api, "gerd", **{popular[0]: "like", popular[1]: "dislike"})
    for _ in range(4):  # whichever worker answers
        shown = recs(api, "gerd")
        assert len(shown) == 10
        assert not {popular[0], popular[1]} & set(shown)


def test_a_share_of_every_list_is_unseen_items(api: Service) -> None:
    """Out of the box, of popular items alone a cold user's list would be the same ten always."""
    wait_until(lambda: not set(recs(api, "curious")) <= set(published_shop.POPULAR))
    shown = [item for _ in range(100) for item in recs(api, "curious")]
    unseen = [item for item in shown if item not in published_shop.POPULAR]
    assert 0.01 < len(unseen) / len(shown) < 0.12
    assert len(set(unseen)) > 5, "not always the same ones"


def test_users_never_get_each_others_lists(api: Service) -> None:
    for number in range(6):
        interact(api, f"own-{number}", **{f"x{10 * number + 5}": "like"})

    def own(number: int) -> bool:
        return set(published_shop.neighbours(f"x{10 * (number % 6) + 5}")) <= set(recs(api, f"own-{number % 6}"))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(own, range(48)))


def test_new_items_are_taken_and_known_ones_stay_as_they_are(api: Service, shop: RunContext) -> None:
    api.client.put(
        "/v1/products/kept", json={"title": "Kept", "price": 3.5}, headers={"X-API-Key": api.keys["admin"]}
    ).raise_for_status()
    answer = api.post("/add_items", {"item_ids": ["fresh", "kept", "fresh"]})
    assert (answer.status_code, answer.json()) == (200, 200)
    assert api.get("/v1/products/fresh").status_code == 200
    assert api.get("/v1/products/kept").json()["price"] == 3.5


def test_what_cannot_be_an_interaction_is_refused(api: Service) -> None:
    for wrong in (
        {"user_id": "u", "item_ids": ["x1", "x2"], "actions": ["like"]},
        {"user_id": "u", "item_ids": ["x1"], "actions": ["love"]},
        {"user_id": "u", "item_ids": [], "actions": []},
        {"user_id": "u", "item_ids": ["x1"], "actions": ["like"], "timestamp": time.time() + 86_400},
    ):
        refused = api.post("/interact", wrong)
        assert refused.status_code == 422, wrong
        assert "remedy" in refused.json()


def test_the_health_check_looks_at_every_server(api: Service) -> None:
    found = api.client.get("/healthcheck")
    assert found.status_code == 200
    assert {"postgres", "object_store", "snapshot", "recent_store"} <= set(found.json()["dependencies"])


def test_cleanup_wants_an_admin_and_the_datasets_name_and_begins_anew(api: Service, shop: RunContext) -> None:
    interact(api, "frida", x30="like")
    assert api.post("/add_items", {"item_ids": ["kept too"]}).status_code == 200
    before = rows(shop)
    for key in ("reader", "events"):
        assert api.get("/cleanup", key=key, confirm="shop").status_code == 403
    assert api.get("/cleanup").status_code == 422
    assert api.get("/cleanup", confirm="*").status_code == 409
    assert recs(api, "frida")
    try:
        assert api.get("/cleanup", confirm="shop").status_code == 200
        wait_until(lambda: recs(api, "anna") == [] and recs(api, "frida") == [])
        assert api.get("/v1/users/frida/events").json()["events"] == []
        assert api.post("/add_items", {"item_ids": ["first"]}).status_code == 200
        interact(api, "frida", first="like")
    finally:
        datasets.activate(shop.postgres, "shop")
    wait_until(lambda: all(len(recs(api, user)) == 10 for user in ("anna", "cold") * 4))  # of either worker
    assert rows(shop) == before, "nothing was deleted"

"""A shopper from the first click to being forgotten, over HTTP, against the service, the worker and their servers."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import wait_until
from tests.fast_api_service import published_shop
from tests.fast_api_service.running_service import Service

USER, SESSION = "olga", "olgas-phone"
VIEWED, LIKED, WANTED = "x15", "x45", "x75"
PLACEMENTS: dict[str, dict[str, str]] = {
    "home": {},
    "product": {"item_ids": "x74"},
    "cart": {"item_ids": "x73,x74"},
    "search-empty": {},
    "email": {},
}


class Shopper:
    """What somebody does in the shop, and what the shop shows."""

    def __init__(self, api: Service) -> None:
        self.api, self.who, self.last = api, {"session_id": SESSION}, ""

    def sees(self, placement: str = "home", limit: int = 20, **more: str) -> dict[str, dict[str, Any]]:
        """The items of an answer, each with where it comes from."""
        answer = self.api.get("/v1/recommendations", placement=placement, limit=limit, **self.who, **more)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        assert len(document["items"]) == limit
        assert not document["degraded"]
        self.last = document["recommendation_id"]
        found = {item["item_id"]: item for item in document["items"]}
        assert len(found) == limit, "nothing twice"
        return found

    def does(self, event_type: str, item_id: str, **more: Any) -> None:
        answer = self.api.post("/v1/events", {"event_type": event_type, "item_id": item_id, **self.who, **more})
        assert answer.status_code == 200, answer.text
        assert answer.json()["stored"] == 1

    def everything(self) -> Iterator[set[str]]:
        """What each placement shows; asked twice, as each worker may answer."""
        for placement, page in PLACEMENTS.items():
            for _ in range(2):
                yield set(self.sees(placement, **page))


@pytest.fixture
def shopper(api: Service) -> Shopper:
    return Shopper(api)


def around(item_id: str) -> set[str]:
    return set(published_shop.neighbours(item_id))


def test_a_shopper_from_the_first_click_to_being_forgotten(api: Service, shopper: Shopper) -> None:
    # Arrives as a guest: what is popular.
    first = shopper.sees()
    assert {item["source"] for item in first.values()} == {"default"}

    # Looks at something: the next page reacts, says why, and never shows the product on its own page.
    shopper.does("view", VIEWED)
    shopper.does("detail_leave", VIEWED, value=34.0)
    seen = shopper.sees()
    assert seen.keys() != first.keys()
    assert around(VIEWED) <= seen.keys()
    assert {(seen[item]["reason"], seen[item]["based_on"]) for item in around(VIEWED)} == {
        ("similar_to_viewed", VIEWED)
    }
    assert VIEWED not in shopper.sees("product", item_ids=VIEWED)

    # Likes one thing, and not another.
    shopper.does("like", LIKED)
    liked = shopper.sees()
    assert around(LIKED) <= liked.keys()
    shopper.does("rating", LIKED, value=5)
    # The one furthest from what was liked, because a dislike pushes away what is like it, too.
    unloved = published_shop.neighbours(VIEWED)[-1]
    assert unloved in liked
    shopper.does("dislike", unloved)
    assert not any(unloved in shown for shown in shopper.everything())

    # Opens what was recommended: the click names the answer, so it can be counted.
    clicked = next(item for item in shopper.sees() if item not in {VIEWED, LIKED})
    shopper.does("impression", clicked, recommendation_id=shopper.last)
    shopper.does("click", clicked, recommendation_id=shopper.last)

    # Puts something into the cart: all of the cart counts, nothing of it is shown; takes one thing out again.
    shopper.does("add_to_cart", WANTED)
    shopper.does("add_to_cart", clicked)
    shopper.does("remove_from_cart", clicked)
    cart = shopper.sees("cart", item_ids=f"{WANTED},{VIEWED}")
    assert around(WANTED) & cart.keys()
    assert around(VIEWED) & cart.keys()
    assert not {WANTED, VIEWED} & cart.keys()
    assert not any(WANTED in shown for shown in shopper.everything())

    # Logs in: the account knows what the guest did, on a device that never saw the session.
    stranger = Shopper(api)
    stranger.who = {"user_id": USER}
    assert not around(LIKED) & stranger.sees().keys()
    merged = api.post(f"/v1/users/{USER}/merge", {"session_id": SESSION})
    assert merged.status_code == 200, merged.text
    assert merged.json()["merged"] == 10
    shopper.who = {"user_id": USER}
    wait_until(lambda: around(LIKED) & shopper.sees().keys())
    assert not any({unloved, WANTED} & shown for shown in shopper.everything())

    # What is sold out leaves the page, and comes back with the stock.
    sold = next(item for item in shopper.sees() if item != clicked)
    put = {"headers": {"X-API-Key": api.keys["admin"]}}
    assert api.client.put(f"/v1/products/{sold}", json={"title": "Last one", "stock": 0}, **put).status_code == 201
    wait_until(lambda: not any(sold in shown for shown in shopper.everything()))
    assert api.client.patch(f"/v1/products/{sold}", json={"stock": 3}, **put).status_code == 200
    wait_until(lambda: sold in shopper.sees())

    # Buys: never sees it again, wherever.
    shopper.does("purchase", WANTED, order_id="o-77", price=49.9, quantity=1)
    assert not any({WANTED, unloved} & shown for shown in shopper.everything())
    events = api.get(f"/v1/users/{USER}/events", limit=50).json()["events"]
    assert events[0]["event_type"] == "purchase"
    assert next(event for event in events if event["event_type"] == "click")["placement"] == "home"

    # Asks what is held, then to be forgotten: is a stranger again, and nothing is held.
    held = api.get(f"/v1/users/{USER}/export").json()["held"]
    assert sum(len(rows) for rows in held.values()) >= 11
    erased = api.client.delete(f"/v1/users/{USER}", **put)
    assert erased.status_code == 200, erased.text
    assert sum(erased.json()["erased"].values()) >= 11
    wait_until(lambda: {item["source"] for item in shopper.sees().values()} == {"default"})
    assert api.get(f"/v1/users/{USER}/events").json()["events"] == []
    held = api.get(f"/v1/users/{USER}/export").json()["held"]
    assert not any(rows for rows in held.values())
    guest = Shopper(api)
    wait_until(lambda: not around(VIEWED) & guest.sees().keys())

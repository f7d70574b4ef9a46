"""Collecting events over HTTP: acknowledged means stored, and bad rows never block good ones."""

import time
import uuid
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service

VIEW = {"event_type": "view", "user_id": "fred", "item_id": "x1"}


@pytest.fixture(params=["direct", "queue"])
def way(request: pytest.FixtureRequest) -> str:
    """Events go straight to Postgres, or through RabbitMQ: the promises are the same."""
    return str(request.param)


@pytest.fixture
def api(way: str, api: Service, request: pytest.FixtureRequest) -> Service:
    return api if way == "direct" else request.getfixturevalue("queued_api")


@pytest.fixture
def kept(way: str, shop: RunContext, request: pytest.FixtureRequest) -> RunContext:
    """The shop whose events these are."""
    return shop if way == "direct" else request.getfixturevalue("queued_shop")


def stored(kept: RunContext, event_ids: list[str], count: int | None = None) -> list[tuple[Any, ...]]:
    """Those of the events that are stored, when as many are as are expected."""
    wanted = len(event_ids) if count is None else count
    wait_until(lambda: len(rows(kept, event_ids)) >= wanted)
    return rows(kept, event_ids)


def taken(receipt: dict[str, Any]) -> int:
    """New events, stored or on their way."""
    return int(receipt["stored"]) + int(receipt["queued"])


def rows(kept: RunContext, event_ids: list[str]) -> list[tuple[Any, ...]]:
    with postgres.transaction(kept.postgres) as cursor:
        cursor.execute(
            "select event_id, event_type, user_id, session_id, item_id, timestamp_ms, price, recommendation_id"
            " from raw.collected_events where dataset = 'shop' and event_id = any(%s) order by event_id",
            (event_ids,),
        )
        return cursor.fetchall()


def test_one_event_is_stored_with_an_id_and_the_present(api: Service, kept: RunContext) -> None:
    before = time.time() * 1000 - 1
    receipt = api.post("/v1/events", VIEW | {"price": 9.5, "recommendation_id": "r-1"}, "events").json()
    assert (taken(receipt), receipt["duplicates"], receipt["rejected"]) == (1, 0, [])
    [(_, kind, user, session, item, timestamp_ms, price, recommendation)] = stored(kept, receipt["event_ids"])
    assert (kind, user, session, item, price, recommendation) == ("view", "fred", None, "x1", 9.5, "r-1")
    assert before <= timestamp_ms <= time.time() * 1000


def test_a_retry_changes_nothing(api: Service, kept: RunContext) -> None:
    event_ids = sorted(f"{uuid.uuid4()}" for _ in range(50))
    batch = [VIEW | {"event_id": event_id} for event_id in event_ids]
    assert taken(api.post("/v1/events", batch).json()) == 50
    new = event_ids[0] + "x"
    changed = [event | {"item_id": "x2"} for event in batch]
    again = api.post("/v1/events", [*changed, batch[0], VIEW | {"event_id": new}]).json()
    # Without Postgres nobody can tell which are known already.
    assert (again["stored"], again["queued"], again["duplicates"]) in {(1, 0, 51), (0, 51, 1)}
    assert {row[4] for row in stored(kept, [*event_ids, new])} == {"x1"}, "the first with an id counts"
    assert [row[0] for row in rows(kept, event_ids)] == event_ids


def test_bad_rows_are_named_and_good_ones_stored(api: Service, kept: RunContext) -> None:
    good = f"{uuid.uuid4()}"
    batch = [
        VIEW | {"event_id": "bad-type", "event_type": "look"},
        VIEW | {"event_id": good},
        VIEW | {"timestamp_ms": int(time.time())},
        VIEW | {"item_id": "nul\x00"},
        "no object",
    ]
    answer = api.post("/v1/events", batch)
    assert answer.status_code == 200
    receipt = answer.json()
    assert (taken(receipt), receipt["event_ids"]) == (1, [good])
    assert len(stored(kept, [good, "bad-type"], count=1)) == 1
    rejected = {row["index"]: (row["event_id"], row["errors"][0]) for row in receipt["rejected"]}
    assert list(rejected) == [0, 2, 3, 4]
    assert rejected[0][0] == "bad-type"
    assert rejected[0][1]["field"] == "body.0.event_type"
    assert "Multiply it by 1000" in rejected[2][1]["remedy"]
    assert rejected[3][1]["field"] == "body.3.item_id"
    assert rejected[4][1]["value"] == "no object"


@pytest.mark.parametrize("body", [VIEW | {"user_id": None}, [VIEW | {"event_type": "x"}] * 3, [], [VIEW] * 1001, 3])
def test_nothing_usable_is_refused(api: Service, body: Any) -> None:
    answer = api.post("/v1/events", body)
    assert answer.status_code == 422
    assert answer.json()["remedy"]


def test_a_thousand_events_at_once_even_of_unknown_items_for_sessions(api: Service, kept: RunContext) -> None:
    event = {"event_type": "add_to_cart", "session_id": "s-1", "item_id": "never heard of"}
    receipt = api.post("/v1/events", [event] * 1000).json()
    assert taken(receipt) == len(set(receipt["event_ids"])) == 1000
    assert len(stored(kept, receipt["event_ids"])) == 1000


def test_a_users_events_come_back_newest_first(api: Service) -> None:
    now = int(time.time() * 1000)
    batch = [VIEW | {"user_id": "gu/st ä", "timestamp_ms": now - age, "item_id": f"x{age}"} for age in (3, 1, 2)]
    api.post("/v1/events", batch)

    def newest() -> dict[str, Any]:
        return api.get("/v1/users/gu%2Fst%20ä/events", "reader", limit=2).json()  # type: ignore[no-any-return]

    wait_until(lambda: [event["timestamp_ms"] for event in newest()["events"]] == [now - 1, now - 2])
    answer = newest()
    assert [event["item_id"] for event in answer["events"]] == ["x1", "x2"]
    assert (answer["user_id"], answer["degraded"]) == ("gu/st ä", False)
    assert api.get("/v1/users/unknown/events").json()["events"] == []


def test_the_next_request_reacts_to_every_kind_of_event(api: Service) -> None:
    user = f"{uuid.uuid4()}"

    def online(kind: str, item_id: str, **more: Any) -> list[str]:
        answer = api.post("/v1/events", {"event_type": kind, "item_id": item_id, "user_id": user} | more)
        assert answer.status_code == 200, answer.text
        return api.items(f"/v1/recommendations/online/{user}", limit=4)

    assert online("view", "x50") == ["x51", "x52", "x53", "x54"]
    assert online("dislike", "x51")[:1] == ["d0"], "what is like it is pushed away with it"
    assert online("like", "x51")[:3] == ["x52", "x53", "x54"]
    before = online("impression", "x90")
    assert online("click", "x91") == before
    assert online("detail_leave", "x92", value=30) == before
    assert "x53" not in online("add_to_cart", "x53"), "it is in the cart"
    cart = {"placement": "cart", "user_id": user, "limit": 3}
    assert api.items("/v1/recommendations", **cart)[0] == "x54"
    online("remove_from_cart", "x53")
    reasons = [item["reason"] for item in api.get("/v1/recommendations", **cart).json()["items"]]
    assert "similar_to_cart" not in reasons
    assert "x56" not in online("rating", "x56", value=1)
    assert "x71" in online("rating", "x70", value=5)
    assert "x71" not in online("purchase", "x71")


def test_scopes(api: Service) -> None:
    assert api.post("/v1/events", VIEW, "reader").status_code == 403
    assert api.get("/v1/recommendations", "events").status_code == 403
    assert api.post("/v1/events", VIEW, "admin").status_code == 200
    missing = api.client.post("/v1/events", json=VIEW)
    wrong = api.client.get("/v1/recommendations", headers={"X-API-Key": "wrong"})
    assert missing.status_code == wrong.status_code == 401
    assert "X-API-Key" in missing.json()["remedy"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"event_type": "view"', 400),
        (b"[" * 50_000 + b"]" * 50_000, 400),
        (b"x" * 2_000_000, 413),
        (b"\x00", 400),
        (b"", 400),
    ],
)
def test_bodies_that_are_no_events(api: Service, body: bytes, status: int) -> None:
    answer = api.client.post("/v1/events", content=body, headers={"X-API-Key": api.keys["events"]})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("limit", ["0", "101", "ten", "1.5", "-1", ""])
def test_bad_limits(api: Service, limit: str) -> None:
    answer = api.get("/v1/recommendations", limit=limit)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["field"], error["value"]) == ("query.limit", limit)
    assert error["remedy"]


@pytest.mark.parametrize("user_id", ["x" * 10_000, "a\x00b", ""])
def test_bad_user_ids(api: Service, user_id: str) -> None:
    for answer in (
        api.get("/v1/recommendations", user_id=user_id),
        api.post("/v1/events", VIEW | {"user_id": user_id}),
    ):
        assert answer.status_code == 422
        assert "user_id" in answer.text

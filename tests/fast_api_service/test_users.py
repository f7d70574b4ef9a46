"""A guest who logs in keeps the history; a user who asks to be forgotten is gone, at once and everywhere."""

import time
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.published_shop import PERSONALIZED, neighbours
from tests.fast_api_service.running_service import Service

HOME = "/v1/recommendations"


def collect(api: Service, *events: dict[str, Any]) -> None:
    answer = api.post("/v1/events", list(events))
    assert answer.status_code == 200, answer.text


def event(kind: str, item_id: str, **more: Any) -> dict[str, Any]:
    return {"event_type": kind, "item_id": item_id, **more}


def test_a_guests_session_merges_into_the_account(api: Service) -> None:
    collect(api, event("view", "x20", session_id="merge-1"), event("dislike", "x25", session_id="merge-1"))
    answer = api.post("/v1/users/mia/merge", {"session_id": "merge-1"}, "events")
    assert answer.json() == {"user_id": "mia", "session_id": "merge-1", "merged": 2}
    shown = api.items("/v1/recommendations/online/mia", limit=4)
    assert shown == [item for item in neighbours("x20") if item != "x25"]
    assert {kept["item_id"] for kept in api.get("/v1/users/mia/events").json()["events"]} == {"x20", "x25"}
    again = api.post("/v1/users/mia/merge", {"session_id": "merge-1"}).json()
    assert again["merged"] == 0


def test_events_that_come_in_after_the_merge_follow_and_later_ones_do_not(api: Service, shop: RunContext) -> None:
    before = int(time.time() * 1000) - 1_000
    api.post("/v1/users/noa/merge", {"session_id": "merge-2"})
    later = int(time.time() * 1000) + 1_000
    collect(
        api,
        event("view", "x30", session_id="merge-2", timestamp_ms=before),
        event("view", "x31", session_id="merge-2", timestamp_ms=later),
        event("view", "x32", session_id="merge-2", timestamp_ms=before, user_id="somebody"),
    )
    assert [kept["item_id"] for kept in api.get("/v1/users/noa/events").json()["events"]] == ["x30"]


@pytest.mark.parametrize("body", [{}, {"session_id": ""}, {"session_id": "s", "more": 1}, []])
def test_a_merge_of_nothing_is_refused(api: Service, body: Any) -> None:
    answer = api.post("/v1/users/mia/merge", body)
    assert answer.status_code == 422
    assert answer.json()["remedy"]


def test_scopes_of_what_is_private(api: Service) -> None:
    headers = {"X-API-Key": api.keys["events"]}
    assert api.client.delete("/v1/users/mia", headers=headers).status_code == 403
    assert api.get("/v1/users/mia/export", "reader").status_code == 403
    assert api.post("/v1/users/mia/merge", {"session_id": "s"}, "reader").status_code == 403


def test_an_erased_user_is_gone_at_once_and_may_come_back(api: Service, shop: RunContext) -> None:
    """`zoe` has a personalized list in the snapshot, which cannot be changed."""
    assert api.items(HOME, user_id="zoe", limit=2) == PERSONALIZED[:2]
    collect(
        api,
        event("view", "x40", user_id="zoe", session_id="zoe-1"),
        event("dislike", "x41", user_id="zoe", session_id="zoe-1"),
        event("view", "x42", session_id="zoe-1"),
    )
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("insert into shop.customers (dataset, customer_id, title) values ('shop', 'zoe', 'Zoe')")
        cursor.execute("insert into raw.retractions (dataset, user_id, timestamp_ms) values ('shop', 'zoe', 1)")
    held = api.get("/v1/users/zoe/export").json()["held"]
    assert sorted(row["item_id"] for row in held["collected_events"]) == ["x40", "x41", "x42"]
    assert held["customers"][0]["title"] == "Zoe"
    assert held["personalized_recommendations"][0]["item_ids"] == PERSONALIZED[:2]

    answer = api.client.delete("/v1/users/zoe", headers={"X-API-Key": api.keys["admin"]})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["sessions"] == 1
    assert {name: rows for name, rows in report["erased"].items() if rows} == {
        "collected_events": 3,
        "retractions": 1,
        "personalized_recommendations": 1,
        "customers": 1,
    }
    assert report["hidden"]
    for _ in range(8):  # any worker
        nobody = api.get(HOME, user_id="nobody").json()["items"]
        assert api.get(HOME, user_id="zoe").json()["items"] == nobody
        assert api.get(HOME, session_id="zoe-1").json()["items"] == nobody
    assert api.get("/v1/users/zoe/events").json()["events"] == []
    assert not any(api.get("/v1/users/zoe/export").json()["held"].values())

    # What was on its way when the user asked is dropped; what comes after is a new beginning.
    old = int(time.time() * 1000) - 60_000
    collect(
        api,
        event("view", "x43", user_id="zoe", timestamp_ms=old),
        event("view", "x44", session_id="zoe-1", timestamp_ms=old),
    )
    assert api.get("/v1/users/zoe/events").json()["events"] == []
    collect(api, event("view", "x45", user_id="zoe"))
    wait_until(lambda: api.items("/v1/recommendations/online/zoe", limit=5) == neighbours("x45"))

"""A guest who logs in keeps the history; a user who asks to be forgotten is gone, at once and everywhere."""

import time
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.schema import RawTable
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.published_shop import PERSONALIZED, neighbours
from tests.fast_api_service.running_service import Service
from tests.raw_rows import write_rows

HOME = "/v1/recommendations"
# What the pipelines and the worker keep of a user.
DERIVED = """
insert into shop.customers (dataset, customer_id, title) values ('shop', 'zoe', 'Zoe');
insert into shop.customer_vectors select 'shop', 'zoe', array_fill(0.125, array[64])::vector;
insert into shop.live_lists (dataset, name, key, item_ids, scores)
    values ('shop', 'fits_profile', 'zoe', '{x46}', '{1}'), ('shop', 'fits_profile', 'yan', '{x46}', '{1}');
insert into recs.i2i_recommendations select version, 'zoe', '{x47}', '{1}'
    from recs.active_versions where dataset = 'shop' and table_name = 'i2i_recommendations';
insert into recs.ranked_recommendations select version, 'zoe', '{x48}', '{1}'
    from recs.active_versions where dataset = 'shop' and table_name = 'ranked_recommendations';
insert into raw.retractions (dataset, user_id, timestamp_ms) values ('shop', 'zoe', 1);
"""


def collect(api: Service, *events: dict[str, Any]) -> None:
    answer = api.post("/v1/events", list(events))
    assert answer.status_code == 200, answer.text


def event(kind: str, item_id: str, **more: Any) -> dict[str, Any]:
    return {"event_type": kind, "item_id": item_id, **more}


def held_of(shop: RunContext) -> dict[str, int]:
    """In how many rows of each table something of `zoe` or her sessions is found."""
    places = {
        "raw.collected_events": "user_id = 'zoe' or session_id like 'zoe-_'",
        "raw.events": "user_id = 'zoe'",
        **{f"recs.{kind}_recommendations": "key = 'zoe'" for kind in ("personalized", "i2i", "ranked")},
        "shop.live_lists": "key = 'zoe'",
        "shop.customer_vectors": "customer_id = 'zoe'",
        "shop.customers": "customer_id = 'zoe'",
        "shop.session_owners": "user_id = 'zoe'",
        "raw.retractions": "user_id = 'zoe'",
    }
    found = {}
    with postgres.transaction(shop.postgres) as cursor:
        for table, where in places.items():
            cursor.execute(f"select count(*) from {table} where {where}")
            (found[table],) = cursor.fetchone() or (0,)
    return found


def test_a_guests_session_merges_into_the_account(api: Service) -> None:
    collect(
        api,
        event("view", "x20", session_id="merge-1"),
        event("dislike", "x25", session_id="merge-1"),
        event("view", "x27", session_id="merge-1", user_id="who used the phone before"),
    )
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
    # The next who logs in on this device gets nothing that was done before.
    api.post("/v1/users/pia/merge", {"session_id": "merge-2"})
    collect(api, event("view", "x33", session_id="merge-2", timestamp_ms=before))
    assert [kept["item_id"] for kept in api.get("/v1/users/pia/events").json()["events"]] == ["x31"]
    assert {kept["item_id"] for kept in api.get("/v1/users/noa/events").json()["events"]} == {"x30", "x33"}


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
    assert api.post("/v1/users/zoe/merge", {"session_id": "zoe-2"}).status_code == 200
    write_rows(shop.postgres, "shop", RawTable.EVENTS, [(1, user, "x49", "view") for user in ("zoe", "yan")])
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(DERIVED)
    held = api.get("/v1/users/zoe/export").json()["held"]
    assert sorted(row["item_id"] for row in held["collected_events"]) == ["x40", "x41", "x42"]
    assert held["customers"][0]["title"] == "Zoe"
    assert held["personalized_recommendations"][0]["item_ids"] == PERSONALIZED[:2]

    answer = api.client.delete("/v1/users/zoe", headers={"X-API-Key": api.keys["admin"]})
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert report["sessions"] == 2
    # Whatever there is of a user, and nothing of others.
    assert report["erased"].pop("collected_events") == 3
    assert report["erased"].keys() == held.keys() - {"collected_events"}
    assert set(report["erased"].values()) == {1}
    assert report["hidden"]
    for _ in range(8):  # any worker
        nobody = api.get(HOME, user_id="nobody").json()["items"]
        assert api.get(HOME, user_id="zoe").json()["items"] == nobody
        assert api.get(HOME, session_id="zoe-1").json()["items"] == nobody
    assert api.get("/v1/users/zoe/events").json()["events"] == []
    assert not any(held_of(shop).values()), "whatever the export says"

    # What was on its way when the user asked is dropped; what comes after is a new beginning.
    old = int(time.time() * 1000) - 60_000
    collect(
        api,
        event("view", "x43", user_id="zoe", timestamp_ms=old),
        event("view", "x44", session_id="zoe-1", timestamp_ms=old),
    )
    assert not any(held_of(shop).values())
    collect(api, event("view", "x45", user_id="zoe"))
    wait_until(lambda: api.items("/v1/recommendations/online/zoe", limit=5) == neighbours("x45"))

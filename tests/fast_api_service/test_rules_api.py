"""`/v1/rules` over HTTP: made, refused when contradictory, tried, audited, and holding in answers."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.published_shop import POPULAR, UNAVAILABLE
from tests.fast_api_service.running_service import Service

PATH = "/v1/rules"
SHOWN = [item for item in POPULAR if item not in UNAVAILABLE]
WHERE = ["search-empty"]  # a placement that no other test asks for


def rule(action: str, items: list[str], **more: Any) -> dict[str, Any]:
    return {"action": action, "conditions": {"item_ids": items}, "placements": WHERE} | more


@pytest.fixture(autouse=True)
def _no_rules(api: Service) -> Iterator[None]:
    yield
    for each in api.get(PATH).json()["rules"]:
        assert api.delete(f"{PATH}/{each['rule_id']}").status_code == 204
    wait_until(lambda: all(searched(api) == SHOWN[:6] for _ in range(8)))


def searched(api: Service, limit: int = 6) -> list[str]:
    return api.items("/v1/recommendations", placement="search-empty", limit=limit)


def holds(api: Service, expected: list[str]) -> None:
    wait_until(lambda: all(searched(api) == expected for _ in range(8)))


def test_rules_hold_in_answers_within_a_moment(api: Service) -> None:
    d0, d2, d3, d4, d5, d6, d7 = SHOWN[:7]
    assert api.put(f"{PATH}/never", rule("exclude", [d0, d4])).status_code == 201
    assert api.put(f"{PATH}/third", rule("pin", ["x9"], position=3)).status_code == 201
    assert api.put(f"{PATH}/more", rule("boost", [d7], places=5)).status_code == 201
    assert api.put(f"{PATH}/less", rule("bury", [d2], places=2)).status_code == 201
    holds(api, [d7, d3, "x9", d5, d2, d6])
    answer = api.get("/v1/recommendations", placement="search-empty", limit=6).json()
    assert (answer["items"][2]["source"], answer["items"][2]["reason"]) == ("selection", "picked_by_shop")
    assert api.put(f"{PATH}/third", rule("pin", ["x9"], position=1)).status_code == 200
    holds(api, ["x9", d7, d3, d5, d2, d6])


def test_rules_hold_in_a_ranked_list_that_is_an_answer_as_it_is(api: Service) -> None:
    def mailed() -> list[str]:
        return api.items("/v1/recommendations", placement="email", user_id="anna", limit=3)

    assert mailed() == ["r2", "r3", "r4"]
    assert api.put(f"{PATH}/never", rule("exclude", ["r3"], placements=["email"])).status_code == 201
    assert api.put(f"{PATH}/second", rule("pin", ["x9"], position=2, placements=["email"])).status_code == 201
    wait_until(lambda: all(mailed() == ["r2", "x9", "r4"] for _ in range(8)))


def test_only_what_is_included_is_shown_wherever_in_the_catalogue_it_lies(api: Service, shop: RunContext) -> None:
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("update recs.item_state set brand = 'acme' where item_id in ('x110', 'x111', 'x112')")
    body = {"action": "include_only", "conditions": {"brands": ["acme"]}, "placements": WHERE}
    api.put(f"{PATH}/acme", body)
    wait_until(lambda: all(sorted(searched(api)) == ["x110", "x111", "x112"] for _ in range(8)))
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("update recs.item_state set brand = null where item_id = 'x111'")
    wait_until(lambda: all(sorted(searched(api)) == ["x110", "x112"] for _ in range(8)))


def test_a_rule_that_has_not_begun_or_is_over_changes_nothing(api: Service) -> None:
    api.put(f"{PATH}/later", rule("exclude", SHOWN[:1], starts_at="2100-01-01T00:00:00Z"))
    api.put(f"{PATH}/earlier", rule("exclude", SHOWN[:1], ends_at="2020-01-01T00:00:00Z"))
    api.put(f"{PATH}/now", rule("exclude", SHOWN[1:2]))
    holds(api, [SHOWN[0], *SHOWN[2:7]])


def test_a_rule_begins_and_ends_by_itself(api: Service) -> None:
    now = datetime.now(UTC)
    times = {"starts_at": f"{now + timedelta(seconds=1)}", "ends_at": f"{now + timedelta(seconds=4)}"}
    assert api.put(f"{PATH}/a-while", rule("exclude", SHOWN[:1], **times)).status_code == 201
    holds(api, SHOWN[:6])
    holds(api, SHOWN[1:7])
    holds(api, SHOWN[:6])


def test_a_rule_for_a_context_holds_only_there(api: Service) -> None:
    api.put(f"{PATH}/abroad", rule("exclude", SHOWN[:1], context={"country": ["FR", "IT"]}))
    api.put(f"{PATH}/always", rule("exclude", SHOWN[1:2]))
    holds(api, [SHOWN[0], *SHOWN[2:7]])

    def asked(**context: str) -> list[str]:
        answer = api.post("/v1/recommendations", {"placement": "search-empty", "limit": 6, "context": context})
        return [item["item_id"] for item in answer.json()["items"]]

    assert asked(country="IT", device="tv") == SHOWN[2:8]
    assert asked(country="DE") == [SHOWN[0], *SHOWN[2:7]]


def test_contradictory_rules_are_refused_with_both_ids(api: Service) -> None:
    api.put(f"{PATH}/top", rule("pin", ["d5"], position=1))
    refused = api.put(f"{PATH}/gone", rule("exclude", ["d5"]))
    assert refused.status_code == 409
    assert refused.json()["conflicts"] == [{"rule_ids": ["gone", "top"], "why": "one pins 'd5', the other excludes it"}]
    assert "'gone' and 'top'" in refused.json()["detail"]
    assert api.get(f"{PATH}/gone").status_code == 404
    assert api.put(f"{PATH}/gone", rule("exclude", ["d5"], placements=["email"])).status_code == 201


def test_of_rules_that_contradict_each_other_and_come_at_once_one_is_kept(api: Service, shop: RunContext) -> None:
    with ThreadPoolExecutor(4) as pool:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("lock table shop.rules in share mode")  # who does not wait comes to its insert
            pins = {f"{PATH}/pin-{number}": rule("pin", [f"x{number}"], position=2) for number in range(4)}
            answers = [pool.submit(api.put, path, pin) for path, pin in pins.items()]
            time.sleep(0.5)
        assert sorted(answer.result().status_code for answer in answers) == [201, 409, 409, 409]


def test_trying_a_rule_changes_nothing(api: Service) -> None:
    body = {
        "placement": "search-empty",
        "limit": 3,
        "rules": {"try": rule("exclude", SHOWN[:1], starts_at="2100-01-01T00:00:00Z")},
        "at": "2100-01-02T00:00:00Z",
    }
    outcome = api.post(f"{PATH}/preview", body).json()
    assert [item["item_id"] for item in outcome["now"]] == SHOWN[:3]
    assert [item["item_id"] for item in outcome["then"]] == SHOWN[1:4]
    assert outcome["conflicts"] == []
    assert api.get(PATH).json() == {"rules": []}
    body["rules"] = {"a": rule("pin", ["d5"], position=1), "b": rule("exclude", ["d5"])}
    assert {frozenset(each["rule_ids"]) for each in api.post(f"{PATH}/preview", body).json()["conflicts"]} == {
        frozenset(("a", "b"))
    }


def test_every_change_is_noted_with_its_author_also_of_deleted_rules(api: Service) -> None:
    api.put(f"{PATH}/noted", rule("exclude", ["d5"]))
    api.put(f"{PATH}/noted", rule("exclude", ["d6"]))
    assert api.get(f"{PATH}/noted").json()["revision"] == 2
    assert api.delete(f"{PATH}/noted").status_code == 204
    assert api.delete(f"{PATH}/noted").status_code == 404
    changes = api.get(f"{PATH}/audit", rule_id="noted").json()["changes"][:3]
    assert [(each["action"], each["author"]) for each in changes] == [
        ("deleted", "admin"),
        ("changed", "admin"),
        ("created", "admin"),
    ]
    assert changes[1]["before"]["conditions"]["item_ids"] == ["d5"]
    assert changes[1]["after"]["conditions"]["item_ids"] == ["d6"]


@pytest.mark.parametrize(
    ("rule_id", "body", "part"),
    [
        ("ok", rule("hide", ["d1"]), "'boost', 'bury', 'pin'"),
        ("ok", rule("exclude", ["d1"], colour="red"), "Choose from 'action', 'conditions', 'placements'"),
        ("ok", rule("exclude", ["d1"], placements=["hom"]), "'home', 'product'"),
        ("audit", rule("exclude", ["d1"]), "another id"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(
    api: Service, rule_id: str, body: dict[str, Any], part: str
) -> None:
    refused = api.put(f"{PATH}/{rule_id}", body)
    assert refused.status_code == 422
    assert any(part in each["remedy"] for each in refused.json()["errors"]), refused.text


def test_readers_may_not_touch_rules(api: Service) -> None:
    assert api.get(PATH, key="reader").status_code == 403
    assert api.put(f"{PATH}/x", rule("exclude", ["d1"]), key="reader").status_code == 403

"""Customers and purchases over HTTP."""

import uuid
from pathlib import Path
from typing import Any

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service import running_service
from tests.fast_api_service.running_service import Service
from tests.fast_api_service.test_catalog import new_id, send

ADA = {
    "title": "Ada",
    "gender": "female",
    "age": 36,
    "location": "Oslo",
    "preference": "tea",
    "attributes": {"club": "gold"},
}


def test_a_customer_lives_from_post_to_delete(api: Service) -> None:
    name = new_id("ada")
    made = send(api, "POST", "/v1/customers", ADA | {"customer_id": name})
    assert made.status_code == 201
    assert made.json() | ADA | {"customer_id": name} == made.json()
    assert send(api, "PATCH", f"/v1/customers/{name}", {"age": 37}, If_Match=made.headers["etag"]).json()["age"] == 37
    assert send(api, "PATCH", f"/v1/customers/{name}", {"age": 38}, If_Match=made.headers["etag"]).status_code == 412
    assert send(api, "PATCH", f"/v1/customers/{name}", {"age": 151}).status_code == 422
    assert send(api, "DELETE", f"/v1/customers/{name}").status_code == 204
    assert send(api, "GET", f"/v1/customers/{name}").status_code == 404


def test_customers_in_bulk_and_page_by_page(api: Service) -> None:
    mark = new_id("place")
    rows = [{"customer_id": f"{mark}-{number:02}", "location": mark} for number in range(25)]
    assert send(api, "POST", "/v1/customers/bulk", rows).json()["created"] == 25
    first = api.get("/v1/customers", location=mark, limit=20).json()
    rest = api.get("/v1/customers", location=mark, limit=20, after=first["next"]).json()
    assert [row["customer_id"] for row in first["customers"] + rest["customers"]] == [
        row["customer_id"] for row in rows
    ]
    assert rest["next"] is None


def test_what_a_customer_bought_is_kept_and_never_recommended_again(api: Service) -> None:
    """Of the reference: recommends what the customer already owns, fails for a customer without purchases."""
    name = new_id("buyer")
    cold = api.get("/v1/recommendations", user_id=name, limit=10)
    assert cold.status_code == 200
    bought = [item["item_id"] for item in cold.json()["items"][:2]]
    ids = [f"{uuid.uuid4()}" for _ in bought]
    for purchase_id, item_id in zip(ids, bought, strict=True):
        purchase = {
            "purchase_id": purchase_id,
            "customer_id": name,
            "product_id": item_id,
            "price": 19.9,
            "quantity": 2,
        }
        assert send(api, "POST", "/v1/purchases", purchase).status_code == 201
        assert send(api, "POST", "/v1/purchases", purchase).status_code == 201
    assert not set(bought) & set(api.items("/v1/recommendations", user_id=name, limit=10))
    page = api.get("/v1/purchases", customer_id=name, limit=1).json()
    assert [row["purchase_id"] for row in page["purchases"]] == [ids[1]]
    rest = api.get("/v1/purchases", customer_id=name, after=page["next"]).json()
    assert [(row["product_id"], row["price"], row["quantity"]) for row in rest["purchases"]] == [(bought[0], 19.9, 2.0)]
    assert send(api, "GET", f"/v1/purchases/{ids[0]}").json()["customer_id"] == name
    assert send(api, "GET", "/v1/purchases/never").status_code == 404
    assert api.get("/v1/purchases", customer_id="nobody").json() == {"purchases": [], "next": None}


def test_a_purchase_that_is_not_usable_is_refused(api: Service) -> None:
    for wrong in ({"price": -1}, {"timestamp_ms": 1_700_000_000}, {"product_id": ""}, {"user_id": "x"}):
        answer = send(api, "POST", "/v1/purchases", {"customer_id": "c", "product_id": "x1"} | wrong)
        assert answer.status_code == 422
        assert next(iter(wrong)) in answer.text


def test_a_purchase_can_be_changed_and_taken_back_and_every_host_knows(
    api: Service, shop: RunContext, tmp_path: Path
) -> None:
    name, purchase_id = new_id("returner"), f"{uuid.uuid4()}"
    first, second = api.items("/v1/recommendations", user_id=name, limit=2)
    path = f"/v1/purchases/{purchase_id}"

    def shown(service: Service) -> set[str]:
        return {first, second} & set(service.items("/v1/recommendations", user_id=name, limit=10))

    def changed(**fields: Any) -> Any:
        answer = send(api, "PATCH", path, fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # The first worker of a host to look is its leader; a host of its own has another folder.
    variables = running_service.environment(shop.postgres, shop.store.settings, tmp_path, SERVICE_WORKERS="1")
    with running_service.service(variables, tmp_path) as elsewhere:
        purchase = {"purchase_id": purchase_id, "customer_id": name, "product_id": first, "price": 19.9, "quantity": 2}
        assert send(api, "POST", "/v1/purchases", purchase).status_code == 201
        assert shown(api) == {second}
        wait_until(lambda: shown(elsewhere) == {second})
        assert changed(price=17.5, order_id="o-1").items() >= {
            "product_id": first, "price": 17.5, "quantity": 2.0, "order_id": "o-1"
        }.items()  # fmt: skip
        assert shown(api) == {second}
        assert changed(product_id=second, quantity=None).items() >= {"product_id": second, "quantity": None}.items()
        assert shown(api) == {first}
        wait_until(lambda: shown(elsewhere) == {first}, 5)
        assert send(api, "DELETE", path).status_code == 204
        for _ in range(4):  # whichever worker answers
            assert shown(api) == {first, second}
        wait_until(lambda: shown(elsewhere) == {first, second}, 5)
    for method, body in (("GET", None), ("PATCH", {"price": 1}), ("DELETE", None)):
        assert send(api, method, path, body).status_code == 404
    assert send(api, "POST", "/v1/purchases", purchase).status_code == 201, "the id is free again"
    assert shown(api) == {second}


def test_a_purchase_moves_to_another_customer(api: Service) -> None:
    one, other, session, purchase_id = new_id("one"), new_id("other"), new_id("s"), f"{uuid.uuid4()}"
    bought = api.items("/v1/recommendations", user_id=one, limit=1)[0]
    event = {"event_id": purchase_id, "event_type": "purchase", "item_id": bought}
    assert api.post("/v1/events", event | {"user_id": one, "session_id": session}).status_code == 200
    assert bought not in api.items("/v1/recommendations", session_id=session, limit=10)
    assert send(api, "PATCH", f"/v1/purchases/{purchase_id}", {"customer_id": other}).json()["customer_id"] == other
    assert bought in api.items("/v1/recommendations", user_id=one, limit=10)
    assert bought in api.items("/v1/recommendations", session_id=session, limit=10), "it was the other one's"
    assert bought not in api.items("/v1/recommendations", user_id=other, limit=10)
    assert api.get("/v1/purchases", customer_id=one).json()["purchases"] == []


def test_a_change_that_is_not_usable_changes_nothing(api: Service, shop: RunContext) -> None:
    purchase_id = f"{uuid.uuid4()}"
    purchase = {"purchase_id": purchase_id, "customer_id": "c", "product_id": "x1", "price": 1}
    kept = send(api, "POST", "/v1/purchases", purchase).json()
    for wrong in (
        {"price": -1},
        {"timestamp_ms": 1_700_000_000},
        {"product_id": None},
        {"customer_id": None},
        {"x": 1},
    ):
        answer = send(api, "PATCH", f"/v1/purchases/{purchase_id}", wrong)
        assert answer.status_code == 422, wrong
        assert answer.json()["errors"][0]["remedy"]
    assert send(api, "GET", f"/v1/purchases/{purchase_id}").json() == kept | {"quantity": None}
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("select count(*) from raw.retractions where user_id = 'c'")
        assert cursor.fetchall() == [(0,)]
    view = {"event_id": f"{uuid.uuid4()}", "event_type": "view", "user_id": "c", "item_id": "x1"}
    assert api.post("/v1/events", view).status_code == 200
    assert send(api, "DELETE", f"/v1/purchases/{view['event_id']}").status_code == 404, "it is no purchase"

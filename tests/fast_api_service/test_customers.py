"""Customers and purchases over HTTP."""

import uuid

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

"""The contract of the catalogue with vectors, and what its reference got wrong (docs/regressions.md)."""

from typing import Any

import psutil
import pytest

from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service

ADA = {"title": "Ada", "gender": "female", "age": 36, "location": "Oslo", "preference": "walrus tents"}


def made(api: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.post(path, body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def changed(api: Service, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = api.client.put(path, json=body, headers={"X-API-Key": api.keys["admin"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def recommended(api: Service, customer_id: int) -> list[int]:
    answer = api.get(f"/recommendation/{customer_id}")
    assert answer.status_code == 200, answer.text
    assert all(set(row) == {"product_id", "product", "category_id", "category"} for row in answer.json())
    return [row["product_id"] for row in answer.json()]


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("/customer/", ADA, {"age": 37}),
        ("/category/", {"title": "Mugs"}, {"title": "Cups"}),
        (
            "/products/",
            {"title": "Mug", "category_id": 1, "description": "For tea.", "tags": ["tea"]},
            {"title": "Cup", "tags": ["tea", "blue"]},
        ),
    ],
)
def test_records_are_made_read_listed_and_changed(
    api: Service, path: str, body: dict[str, Any], change: dict[str, Any]
) -> None:
    first = made(api, path, body)
    assert isinstance(first["id"], int)
    assert first == body | {"id": first["id"]}
    assert api.get(f"{path}{first['id']}").json() == first
    second = changed(api, path, first | change)
    assert second == first | change
    assert second in api.get(path).json()
    assert api.get(f"{path}999").status_code == 404
    refused = api.client.put(path, json=first | {"id": 999}, headers={"X-API-Key": api.keys["admin"]})
    assert refused.status_code == 404
    assert [api.delete(f"{path}{first['id']}").status_code for _ in range(2)] == [204, 404]
    assert api.get(f"{path}{first['id']}").status_code == 404


def test_lists_do_not_stop_at_ten_rows(api: Service) -> None:
    ids = {made(api, "/category/", {"title": f"Category {number}"})["id"] for number in range(12)}
    assert ids <= {row["id"] for row in api.get("/category/").json()}
    many = [f"{number}" for number in range(10**9, 10**9 + 1_200)]
    assert api.post("/add_items", {"item_ids": many}).status_code == 200
    assert set(map(int, many)) <= {row["id"] for row in api.get("/products/").json()}


def test_purchases_are_told_with_what_they_name(api: Service) -> None:
    customer = made(api, "/customer/", ADA)["id"]
    category = made(api, "/category/", {"title": "Tents"})["id"]
    product = made(
        api, "/products/", {"title": "Tent", "category_id": category, "description": "Dry.", "tags": ["walrus"]}
    )["id"]
    bought = made(api, "/Purchases/", {"product_id": product, "category_id": category, "customer_id": customer})
    assert bought == {
        "id": bought["id"],
        "product_id": product,
        "category_id": category,
        "customer_id": customer,
        "product_title": "Tent",
        "category_title": "Tents",
        "customer_title": "Ada",
        "product_tags": ["walrus"],
    }
    assert api.get(f"/Purchases/{bought['id']}").json() == bought
    whole = api.get(f"/Purchases/customer_purchased_products/{customer}").json()
    assert {name: whole[name] for name in ADA} == ADA
    assert [record["purchase_id"] for record in whole["purchases"]] == [bought["id"]]
    assert api.get("/Purchases/customer_purchased_products/999").status_code == 404
    guest = {"event_id": "guests", "event_type": "purchase", "session_id": "s-7", "item_id": str(product)}
    assert api.post("/v1/events", guest).status_code == 200
    assert api.get("/Purchases/guests").json() == bought | {"id": "guests", "customer_id": "", "customer_title": ""}


def test_what_a_customer_owns_is_never_recommended(api: Service) -> None:
    customer = made(api, "/customer/", ADA)["id"]
    shown = api.get(f"/recommendation/{customer}").json()[0]["product_id"]
    bought = {"product_id": shown, "category_id": 1, "customer_id": customer}
    bought["id"] = made(api, "/Purchases/", bought)["id"]
    for _ in range(4):  # whichever worker answers
        assert shown not in recommended(api, customer)
    other = recommended(api, customer)[0]
    changed(api, "/Purchases/", bought | {"product_id": other})
    assert api.get(f"/Purchases/{bought['id']}").json()["product_id"] == other
    assert other not in recommended(api, customer)
    assert [api.delete(f"/Purchases/{bought['id']}").status_code for _ in range(2)] == [204, 404]
    for _ in range(4):
        assert {shown, other} <= set(recommended(api, customer))


def test_customers_without_purchases_and_unknown_ones_get_a_list(api: Service) -> None:
    customer = made(api, "/customer/", ADA | {"preference": "nothing in particular"})["id"]
    assert len(recommended(api, customer)) == 10
    assert len(recommended(api, 424242)) == 10


def test_a_product_added_through_the_api_gets_its_vector_until_it_is_deleted(api: Service, shop: RunContext) -> None:
    """Not on the request's path: the worker makes it, and a customer whose profile it fits is shown it."""
    category = made(api, "/category/", {"title": "Lights"})["id"]
    info = {"category_id": category, "category_title": "Lamps", "product_title": "Zeppelin lantern"}
    told = made(api, "/recommendation/vectorize_product", info | {"product_id": 771, "product_tags": ["zeppelin"]})
    assert told == {"product_id": 771, "status": "created"}
    made(api, "/products/", {"title": "Zeppelin lantern, small", "category_id": category, "description": "Bright."})
    assert api.get(f"/category/{category}").json()["title"] == "Lamps"

    def vectors() -> int:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("select count(*) from shop.item_vectors where item_id = '771'")
            return int((cursor.fetchone() or (0,))[0])

    wait_until(vectors)
    customer = made(api, "/customer/", ADA | {"preference": "zeppelin lantern"})["id"]
    wait_until(lambda: 771 in recommended(api, customer))
    for worker in psutil.Process(api.process.pid).children(recursive=True):
        loaded = {place.path for place in worker.memory_maps() if "numpy" in place.path}
        assert not loaded, "what computes vectors is nothing for the service"
    assert api.delete("/v1/products/771").status_code == 204
    wait_until(lambda: all(771 not in recommended(api, customer) for _ in range(4)))

"""Products, variants and categories over HTTP."""

import asyncio
import json
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from recsys.live.vectors import ContentVectors
from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from recsys.storage.pool import create_pool
from tests.conftest import wait_until
from tests.fast_api_service.running_service import Service

MUG = {"title": "Mug", "brand": "Fjord", "category_id": "mugs", "price": 12.9, "stock": 4, "tags": ["blue"]}


def send(api: Service, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
    return api.client.request(
        method,
        path,
        json=body,
        headers={"X-API-Key": api.keys["admin"]} | {k.replace("_", "-"): v for k, v in headers.items()},
    )


def new_id(word: str = "c") -> str:
    return f"{word}-{uuid.uuid4().hex[:12]}"


def state(shop: RunContext, item_id: str) -> dict[str, Any]:
    names = "category_id, is_available, price, title, brand, stock, tags, is_hidden, is_repeatable, weight"
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(f"select {names} from recs.item_state where dataset = 'shop' and item_id = %s", (item_id,))
        return dict(zip(names.split(", "), cursor.fetchone() or (), strict=True))


def test_a_product_lives_from_put_to_delete(api: Service, shop: RunContext) -> None:
    name = new_id("mug/ä")
    path = f"/v1/products/{name.replace('/', '%2F')}"
    made = send(api, "PUT", path, MUG)
    assert made.status_code == 201
    assert made.json() | MUG | {"product_id": name, "attributes": {}, "variants": []} == made.json()
    assert made.headers["etag"] == f'"{made.json()["revision"]}"'
    assert send(api, "GET", path).json() == made.json()
    assert send(api, "GET", path, If_None_Match=made.headers["etag"]).status_code == 304
    changed = send(api, "PATCH", path, {"price": 9.5, "attributes": {"colour": "red", "litres": 0.4}})
    assert changed.json()["price"] == 9.5
    assert changed.json()["title"] == "Mug"
    assert changed.headers["etag"] != made.headers["etag"]
    replaced = send(api, "PUT", path, {"title": "Cup"}).json()
    assert (replaced["title"], replaced["price"], replaced["attributes"]) == ("Cup", None, {})
    assert send(api, "DELETE", path).status_code == 204
    assert send(api, "GET", path).status_code == send(api, "DELETE", path).status_code == 404
    assert send(api, "PATCH", path, {"price": 1}).status_code == 404
    assert state(shop, name)["is_available"] is False


def test_creating_twice_is_refused_and_names_the_remedy(api: Service) -> None:
    body = MUG | {"product_id": new_id()}
    assert send(api, "POST", "/v1/products", body).status_code == 201
    again = send(api, "POST", "/v1/products", body)
    assert again.status_code == 409
    assert body["product_id"] in again.json()["detail"]
    assert send(api, "PUT", f"/v1/products/{body['product_id']}", MUG, If_None_Match="*").status_code == 412


def test_of_two_writers_one_is_told_that_the_other_was_first(api: Service, shop: RunContext) -> None:
    path = f"/v1/products/{new_id()}"
    tag = send(api, "PUT", path, MUG).headers["etag"]
    with ThreadPoolExecutor(8) as pool:
        with postgres.transaction(shop.postgres) as cursor:
            cursor.execute("lock table shop.products in share mode")  # who does not wait comes to its update
            answers = [pool.submit(send, api, "PATCH", path, {"stock": each}, If_Match=tag) for each in range(10, 18)]
            time.sleep(0.5)
        assert sorted(answer.result().status_code for answer in answers) == [200] + [412] * 7
    refused = send(api, "DELETE", path, If_Match=tag)
    assert refused.status_code == 412
    assert "Read it again" in refused.json()["remedy"]
    assert send(api, "DELETE", path, If_Match=send(api, "GET", path).headers["etag"]).status_code == 204
    # Made anew it never has an ETag that an earlier one had.
    assert int(send(api, "PUT", path, MUG).headers["etag"][1:-1]) > int(tag[1:-1])


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"price": -1}, "body.price"),
        ({"price": "12"}, "body.price"),
        ({"stock": 1.5}, "body.stock"),
        ({"colour": "red"}, "body.colour"),
        ({"title": "nul\x00"}, "body.title"),
        ({"tags": "blue"}, "body.tags"),
        ({"attributes": {"price": 3}}, "body.attributes.price"),
        ({"attributes": {"a": [1]}}, "body.attributes.a"),
        ({"variants": [{"sku": "x"}, {"sku": "x"}]}, "body.variants"),
        ({"variants": [{"sku": "y-1", "stock": 2}], "stock": 3}, "body.stock"),
        ({"variants": [{"sku": f"y-{number}", "stock": 2**30} for number in range(3)]}, "body.variants"),
    ],
)
def test_unusable_fields_are_named(api: Service, fields: dict[str, Any], place: str) -> None:
    path = f"/v1/products/{new_id()}"
    answer = send(api, "PUT", path, fields)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"].startswith(place)
    assert answer.json()["errors"][0]["remedy"]
    assert send(api, "GET", path).status_code == 404


def test_what_changes_is_in_item_state_and_in_the_history_at_once(api: Service, shop: RunContext) -> None:
    name = new_id()
    path = f"/v1/products/{name}"
    before = time.time() * 1000
    send(api, "PUT", path, MUG | {"attributes": {"colour": "blue"}})
    assert state(shop, name) == {
        "category_id": "mugs", "is_available": True, "price": pytest.approx(12.9), "title": "Mug", "brand": "Fjord",
        "stock": 4, "tags": ["blue"], "is_hidden": False, "is_repeatable": False, "weight": 1.0,
    }  # fmt: skip
    send(api, "PATCH", path, {"stock": 0, "is_hidden": True, "recommendation_weight": 3, "attributes": {}})
    assert (state(shop, name)["is_available"], state(shop, name)["is_hidden"], state(shop, name)["weight"]) == (
        False, True, 3.0,
    )  # fmt: skip
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(
            "select property, value, timestamp_ms from raw.collected_item_properties where item_id = %s", (name,)
        )
        said = cursor.fetchall()
    assert min(time for _, _, time in said) >= before - 1
    assert [(what, value) for what, value, _ in sorted(said, key=lambda row: (row[0], row[2]))] == [
        ("available", "1"), ("available", "0"), ("brand", "Fjord"), ("categoryid", "mugs"), ("colour", "blue"),
        ("colour", ""), ("price", "12.9"), ("tags", "blue"), ("title", "Mug"),
    ]  # fmt: skip


def test_a_first_word_about_a_loaded_item_keeps_what_is_known_of_it(api: Service, shop: RunContext) -> None:
    name = new_id()
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute(
            "insert into recs.item_state (dataset, item_id, is_available, category_id, price, title)"
            " values ('shop', %s, true, 'tea', 4.5, 'Tea')",
            (name,),
        )
    send(api, "POST", "/v1/products/bulk", [{"product_id": name, "stock": 3}])
    known = state(shop, name)
    assert (known["category_id"], known["price"], known["title"], known["stock"]) == ("tea", 4.5, "Tea", 3)
    assert send(api, "PUT", f"/v1/products/{name}", {"stock": 3}).json()["category_id"] is None


def test_what_is_sold_out_or_hidden_is_recommended_no_more_until_it_is_back(api: Service) -> None:
    path, changes = "/v1/products/x95", [{"stock": 0}, {"stock": 5}, {"is_hidden": True}, {"is_hidden": False}]
    send(api, "PUT", path, {})
    for change in changes:
        send(api, "PATCH", path, change)
        is_shown = change in ({"stock": 5}, {"is_hidden": False})
        # Either worker may answer.
        wait_until(lambda shown=is_shown: {"x95" in api.items("/v1/items/x93/similar") for _ in range(6)} == {shown})


def test_an_amount_that_is_next_to_nothing_is_nothing(api: Service, shop: RunContext) -> None:
    name = new_id()
    made = send(api, "PUT", f"/v1/products/{name}", {"price": 5.4e-252, "recommendation_weight": 1e-300})
    assert (made.status_code, made.json()["price"], state(shop, name)["weight"]) == (201, 0.0, 0.0)


def test_the_stock_of_variants_is_the_products(api: Service, shop: RunContext) -> None:
    name, small, large = new_id(), new_id("s"), new_id("l")
    path = f"/v1/products/{name}"
    variants = [{"sku": small, "stock": 0}, {"sku": large, "stock": 2, "attributes": {"size": "L"}}]
    made = send(api, "PUT", path, {"variants": variants}).json()
    assert made["stock"] == 2
    assert [variant["sku"] for variant in made["variants"]] == sorted([small, large])
    assert send(api, "GET", f"/v1/variants/{large}").json()["product_id"] == name
    sold_out = send(api, "PATCH", f"/v1/variants/{large}", {"stock": 0}).json()
    assert (sold_out["stock"], sold_out["attributes"]) == (0, {"size": "L"})
    assert state(shop, name)["is_available"] is False
    taken = send(api, "PUT", f"/v1/products/{new_id()}", {"variants": [{"sku": small}]})
    assert taken.status_code == 422
    assert name in taken.json()["errors"][0]["message"]
    assert send(api, "PATCH", path, {"variants": []}).json()["stock"] is None
    assert send(api, "GET", f"/v1/variants/{large}").status_code == 404


def test_a_bulk_upsert_answers_row_by_row_and_good_rows_are_kept(api: Service) -> None:
    good, other = new_id(), new_id()
    send(api, "PUT", f"/v1/products/{other}", MUG)
    rows = [
        {"product_id": good, "title": "New"},
        {"product_id": other, "stock": 9},
        {"product_id": other, "stock": 9},
        {"product_id": new_id(), "price": -3},
        {"title": "no id"},
        "no object",
        {"product_id": good, "variants": [{"sku": "twice"}, {"sku": "twice"}]},
    ]
    answer = send(api, "POST", "/v1/products/bulk", rows)
    assert answer.status_code == 200
    receipt = answer.json()
    statuses = [row["status"] for row in receipt["rows"]]
    assert statuses == ["created", "updated", "unchanged", "rejected", "rejected", "rejected", "rejected"]
    assert [receipt[status] for status in ("created", "updated", "unchanged", "rejected")] == [1, 1, 1, 4]
    fields = [row["errors"][0]["field"] for row in receipt["rows"][3:]]
    assert fields == ["body.3.price", "body.4.product_id", "body.5", "body.6.variants"]
    stored = send(api, "GET", f"/v1/products/{other}").json()
    assert (stored["stock"], stored["title"], stored["revision"]) == (9, "Mug", receipt["rows"][1]["revision"])
    assert send(api, "GET", f"/v1/products/{good}").json()["title"] == "New"


@pytest.mark.parametrize("body", [[], {}, [{}] * 10_001])
def test_a_bulk_of_no_rows_or_too_many_is_refused(api: Service, body: Any) -> None:
    assert send(api, "POST", "/v1/products/bulk", body).status_code == 422


def test_ndjson_is_taken_line_by_line_and_answered_likewise(api: Service) -> None:
    mark = new_id()
    lines = [json.dumps({"product_id": f"{mark}-{number:04}", "title": "line"}) for number in range(1200)]
    lines[700] = '{"product_id": '
    lines.insert(3, "")

    def chunks() -> Any:
        whole = "\n".join(lines).encode()
        for start in range(0, len(whole), 5_000):
            yield whole[start : start + 5_000]

    headers = {"X-API-Key": api.keys["admin"], "Content-Type": "application/x-ndjson"}
    answer = api.client.post("/v1/products/bulk", content=chunks(), headers=headers)
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    *rows, counts = [json.loads(line) for line in answer.text.splitlines()]
    assert counts == {"created": 1199, "updated": 0, "unchanged": 0, "rejected": 1}
    assert [row["index"] for row in rows] == list(range(1200))
    assert rows[700]["errors"][0]["reason"] == "malformed_json"
    long = api.client.post("/v1/products/bulk", content=b'"' + b"x" * 1_100_000, headers=headers)
    assert long.status_code == 413


def test_lists_go_on_beyond_ten_rows_to_the_very_end(api: Service) -> None:
    """Of the reference: lists stopped at ten rows."""
    mark = new_id()
    rows = [
        {"product_id": f"{mark}-{number:03}", "brand": mark, "price": number, "is_hidden": number % 2 == 0}
        for number in range(257)
    ]
    assert send(api, "POST", "/v1/products/bulk", rows).json()["created"] == 257
    found, after = [], None
    while True:
        query = {"brand": mark, "limit": 100} | ({"after": after} if after else {})
        answer = api.get("/v1/products", "reader", **query).json()
        found += [product["product_id"] for product in answer["products"]]
        if (after := answer["next"]) is None:
            break
    assert found == [row["product_id"] for row in rows]
    assert len(api.get("/v1/products", "reader", brand=mark).json()["products"]) == 100
    few = api.get("/v1/products", "reader", brand=mark, min_price=10, max_price=13, is_hidden=True).json()
    assert [product["price"] for product in few["products"]] == [10, 12]
    assert api.get("/v1/products", "reader", brand=mark, updated_since="2999-01-01").json()["products"] == []
    assert api.get("/v1/products", "reader", limit=1001).status_code == 422


def test_a_category_cannot_be_below_itself(api: Service) -> None:
    a, b, c = new_id("a"), new_id("b"), new_id("c")
    rows = [{"category_id": a}, {"category_id": b, "parent_id": a}, {"category_id": c, "parent_id": b}]
    assert send(api, "POST", "/v1/categories/bulk", rows).json()["created"] == 3
    refused = send(api, "PATCH", f"/v1/categories/{a}", {"parent_id": c})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["reason"] == "category_cycle"
    assert f"{a} → {c} → {b} → {a}" in refused.json()["errors"][0]["message"]
    bulk = send(
        api, "POST", "/v1/categories/bulk", [{"category_id": a, "parent_id": a}, {"category_id": c, "title": "C"}]
    )
    assert [row["status"] for row in bulk.json()["rows"]] == ["rejected", "updated"]
    in_use = send(api, "DELETE", f"/v1/categories/{b}")
    assert in_use.status_code == 409
    assert c in in_use.json()["detail"]
    assert [row["category_id"] for row in api.get("/v1/categories", parent_id=a).json()["categories"]] == [b]


def test_two_moves_that_make_a_circle_together_do_not_both_succeed(api: Service) -> None:
    for _ in range(5):
        a, b = new_id("a"), new_id("b")
        send(api, "POST", "/v1/categories/bulk", [{"category_id": a}, {"category_id": b}])
        moves = [
            threading.Thread(target=send, args=(api, "PATCH", f"/v1/categories/{child}", {"parent_id": parent}))
            for child, parent in ((a, b), (b, a))
        ]
        for move in moves:
            move.start()
        for move in moves:
            move.join()
        parents = [send(api, "GET", f"/v1/categories/{each}").json()["parent_id"] for each in (a, b)]
        assert parents.count(None) == 1


def test_a_repeatable_category_reaches_its_products_and_those_below(api: Service, shop: RunContext) -> None:
    food, tea, product = new_id("food"), new_id("tea"), new_id()
    send(api, "PUT", f"/v1/categories/{tea}", {"parent_id": food})
    send(api, "PUT", f"/v1/products/{product}", {"category_id": tea})
    assert state(shop, product)["is_repeatable"] is False
    send(api, "PUT", f"/v1/categories/{food}", {"is_repeatable": True})
    assert state(shop, product)["is_repeatable"] is True
    send(api, "PUT", f"/v1/categories/{tea}", {"parent_id": None})
    assert state(shop, product)["is_repeatable"] is False


def test_writing_needs_the_scope_of_the_catalogue(api: Service) -> None:
    headers = {"X-API-Key": api.keys["reader"]}
    assert api.client.put("/v1/products/x", json=MUG, headers=headers).status_code == 403
    assert api.client.get("/v1/products", headers=headers).status_code == 200
    assert api.client.get("/v1/customers", headers=headers).status_code == 403


def test_writers_of_overlapping_batches_neither_fail_nor_lose_rows(api: Service) -> None:
    mark = new_id()
    answers: list[httpx.Response] = []

    def write(writer: int) -> None:
        rows = [{"product_id": f"{mark}-{number}", "attributes": {"writer": writer}} for number in range(400)]
        answers.append(send(api, "POST", "/v1/products/bulk", rows if writer % 2 else rows[::-1]))

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [answer.status_code for answer in answers] == [200] * 6
    assert sum(answer.json()["created"] for answer in answers) == 400
    assert sum(answer.json()["updated"] for answer in answers) == 2000


def test_a_search_by_text_finds_what_the_worker_has_vectorised(api: Service, shop: RunContext) -> None:
    word, sold_out = new_id("w").replace("-", ""), new_id()
    rows = [{"product_id": new_id(), "title": f"{word} kettle {number}"} for number in range(3)]
    send(api, "POST", "/v1/products/bulk", [*rows, {"product_id": sold_out, "title": f"{word} kettle", "stock": 0}])

    async def vectorise() -> None:
        pool = await create_pool(shop.postgres, 1, name="test", timeout_ms=60_000)
        await ContentVectors().run(pool)
        await pool.close()

    asyncio.run(vectorise())
    found = api.get("/v1/items/search", "reader", like=f"Zzyzx {word} KETTLE", limit=5).json()
    assert {item["item_id"] for item in found["items"][:3]} == {row["product_id"] for row in rows}
    assert sold_out not in {item["item_id"] for item in found["items"]}
    assert found["items"][0]["title"].startswith(word)
    assert found["unknown_words"] == ["zzyzx"]
    assert api.get("/v1/items/search", "reader", like="Zzyzx").json()["items"] == []
    assert api.get("/v1/items/search", "reader").status_code == 422

    def neighbours() -> set[str]:
        answer = api.get(f"/v1/items/{rows[0]['product_id']}/similar", "reader", limit=5).json()
        return {item["item_id"] for item in answer.get("items", [])[:2] if item["source"] == "content"}

    wait_until(lambda: neighbours() == {row["product_id"] for row in rows[1:]})

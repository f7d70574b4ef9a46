from recsys.pipeline.context import RunContext
from recsys.storage import postgres
from tests.fast_api_service.running_service import Service


def test_a_training_is_asked_for_once_and_read_back(api: Service, shop: RunContext) -> None:
    first = api.post("/v1/training", {"model": "ranker"})
    again = api.post("/v1/training", {"model": "ranker"})
    assert (first.status_code, again.status_code) == (202, 200)
    made = first.json()
    assert again.json() == made
    assert (made["state"], made["trigger"], made["requested_by"]) == ("queued", "api", "admin")
    assert api.get(f"/v1/training/{made['request_id']}").json() == made
    with postgres.transaction(shop.postgres) as cursor:
        cursor.execute("update ops.training_requests set state = 'failed', error = 'no memory'")
    other = api.post("/v1/training", {"model": "ranker"}).json()
    pages = [api.get("/v1/training", limit=1).json()]
    pages.append(api.get("/v1/training", limit=1, before=pages[0]["before"]).json())
    assert [page["requests"][0]["request_id"] for page in pages] == [other["request_id"], made["request_id"]]
    assert pages[1]["requests"][0]["error"] == "no memory"
    assert api.get("/v1/training", state="failed", model="als").json() == {"requests": [], "before": None}


def test_what_cannot_be_trained_is_refused_with_what_can(api: Service) -> None:
    refused = api.post("/v1/training", {"model": "magic"})
    assert refused.status_code == 422
    assert "'als' or 'ranker'" in refused.json()["errors"][0]["remedy"]
    assert api.get("/v1/training/999999").status_code == 404
    for key in ("reader", "events"):
        assert api.post("/v1/training", {"model": "als"}, key=key).status_code == 403
        assert api.get("/v1/training", key=key).status_code == 403

import json

import pytest

from recsys.pipeline.context import RunContext
from recsys.schema import Placement, Source
from recsys.storage import postgres
from tests.fast_api_service.running_service import Service

DAY, NEXT = "2021-05-01", "2021-05-02"  # no other test's events are of these days


@pytest.fixture(scope="module")
def told(shop: RunContext) -> None:
    """Two days of rollups and counts, as the worker and the services write them."""
    home = {"impressions": 100, "clicks": 10, "items": 5, "catalogue": 50, "judged": 40, "hits": 4, "future_hits": 8}
    sold = {"conversions": 2, "revenue": 30.5}
    rolled = [
        (DAY, "home", "", 3, home | sold),
        (DAY, "home", "ranked", 3, home | sold),
        (NEXT, "home", "", 4, home | {"items": 10}),
        (DAY, "cart", "", 3, {"clicks": 1}),
        (DAY, "", "", 0, {"purchases": 9, "turnover": 200.0}),
        (NEXT, "", "", 0, {"purchases": 1, "turnover": 5.0}),
    ]
    phases = json.dumps({"choose": {"count": 10, "sum": 0.01, "max": 0.004}})
    served = [
        (DAY, "home", "", 3, 1000, phases),
        (DAY, "home", "ranked", 3, 9000, "{}"),
        (NEXT, "home", "", 4, 7, phases),
    ]
    with postgres.transaction(shop.postgres) as cursor:
        for *key, figures in rolled:
            cursor.execute(
                "insert into ops.performance values ('shop', %s, %s, %s, %s, %s)", [*key, json.dumps(figures)]
            )
        for row in served:
            cursor.execute("insert into ops.served values ('shop', %s, %s, %s, %s, %s, %s)", row)
        cursor.execute(
            "insert into ops.step_runs (dataset, run_id, step, status, started_at, finished_at, summary) values"
            " ('shop', 'old-1', 'train_ranker', 'succeeded', '2021-05-01 10:00Z', '2021-05-01 10:01Z',"
            '  \'{"metrics": {"peak_memory_mb": 700.5}, "decision": "kept the champion",'
            '    "hyperparameters": {"depth": 4}, "champion_version": "3"}\'),'
            " ('shop', 'old-2', 'train_ranker', 'failed', '2021-05-01 12:00Z', '2021-05-01 12:03Z', '{}')"
        )


def report(api: Service, **more: str) -> list[dict[str, object]]:
    answer = api.get("/v1/reports/performance", date_from=DAY, date_to=NEXT, **more)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, object]] = answer.json()["rows"]
    return rows


def test_answers_and_what_came_of_them_stand_in_one_row(told: None, api: Service) -> None:
    whole = api.get("/v1/reports/performance", date_from=DAY, date_to=NEXT).json()
    assert (whole["purchases"], whole["turnover"]) == (10, 205.0)
    rows = {(row["day"], row["placement"], row["source"]): row for row in whole["rows"]}
    assert set(rows) == {(DAY, "cart", None), (DAY, "home", None), (DAY, "home", "ranked"), (NEXT, "home", None)}
    home = rows[DAY, "home", None]
    assert (home["predictions"], home["ctr"], home["conversions"], home["revenue"]) == (1000, 0.1, 2, 30.5)
    assert (home["hit_rate"], home["future_hit_rate"], home["coverage"]) == (0.1, 0.2, 0.1)
    assert home["phases"] == {"choose": {"average_ms": 1.0, "longest_ms": 4.0}}
    assert (rows[DAY, "home", "ranked"]["predictions"], rows[DAY, "home", "ranked"]["items_shown"]) == (None, 9000)
    assert rows[DAY, "cart", None]["ctr"] is None, "clicks without impressions are no rate"


def test_days_and_versions_are_added_up(told: None, api: Service) -> None:
    (total,) = [row for row in report(api, by="total", placement="home") if row["source"] is None]
    assert (total["predictions"], total["impressions"], total["judged"], total["coverage"]) == (1007, 200, 80, 0.2)
    assert [row["version"] for row in report(api, by="version", placement="home")] == [3, 3, 4]


def test_training_counts_runs_memory_and_the_gates_word(told: None, api: Service) -> None:
    found = api.get("/v1/reports/training", date_from=DAY, date_to=DAY).json()
    (step,) = found["steps"]
    assert (step["step"], step["started"], step["completed"], step["failed"]) == ("train_ranker", 2, 1, 1)
    assert step["duration_s"] == {"average": 120.0, "most": 180.0}
    assert step["peak_memory_mb"] == {"average": 700.5, "most": 700.5}
    ranker = next(model for model in found["models"] if model["model"] == "ranker")
    assert (ranker["outcome"], ranker["in_service"]) == ("kept the champion", "3")
    assert ranker["hyperparameters"] == {"depth": 4}


def test_configuration_is_written_out(api: Service) -> None:
    found = api.get("/v1/reports/configuration").json()
    placements = found["configuration"]["placements"]
    assert set(placements) == set(Placement)
    assert placements["home"]["cascade"][0]["source"] == "ranked"
    assert found["sources"] == list(Source)


@pytest.mark.parametrize(
    "wrong", [{"date_from": NEXT, "date_to": DAY}, {"date_from": "2001-01-01"}, {"placement": "x"}, {"by": "x"}]
)
def test_what_cannot_be_reported_on_is_refused(api: Service, wrong: dict[str, str]) -> None:
    refused = api.get("/v1/reports/performance", **wrong)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["remedy"]


def test_reports_are_for_admins(api: Service) -> None:
    for name in ("performance", "training", "configuration"):
        assert api.get(f"/v1/reports/{name}", key="reader").status_code == 403

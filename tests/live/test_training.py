import asyncio
import json
from collections.abc import Iterator

import asyncpg
import pytest

from recsys.live.training import ASK, ask_by_growth, train_on_demand
from recsys.settings import TrainingSettings
from recsys.stack.process import free_port
from tests.live.airflow_server import Airflow, airflow_server

SUMMARY = {
    "metrics": {"ndcg@10": 0.2, "peak_memory_mb": 512.5},
    "rows": {"events": 10},
    "hyperparameters": {"factors": 8},
    "decision": "published the challenger",
    "reason": "there was no champion to compare with",
}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    with airflow_server() as server:
        monkeypatch.setenv("AIRFLOW_API_URL", server.url)
        monkeypatch.setenv("AIRFLOW_API_PASSWORD", "right")
        yield server


async def ask(pool: asyncpg.Pool, model: str = "als") -> int | None:
    found: int | None = await pool.fetchval(ASK, "shop", model, "api", "shop-key")
    return found


async def request(pool: asyncpg.Pool) -> asyncpg.Record:
    return await pool.fetchrow("select * from ops.training_requests order by request_id desc limit 1")


async def step(pool: asyncpg.Pool, run_id: str, status: str, summary: object) -> None:
    await pool.execute(
        "insert into ops.step_runs (dataset, run_id, step, status, started_at, finished_at, summary)"
        " values ('shop', $1, 'train_als', $2, now() - interval '90 s', now(), $3)",
        run_id,
        status,
        json.dumps(summary),
    )


async def test_a_request_is_run_by_airflow_and_its_telemetry_kept(pool: asyncpg.Pool, airflow: Airflow) -> None:
    assert await ask(pool)
    await train_on_demand(pool)
    assert airflow.started == [("train_als_model", "training-1", {"dataset": "shop"})]
    assert (await request(pool))["state"] == "running"
    airflow.states["training-1"] = "running"
    await train_on_demand(pool)
    assert (await request(pool))["state"] == "running"
    await step(pool, "training-1", "succeeded", SUMMARY)
    airflow.states["training-1"] = "success"
    await train_on_demand(pool)
    done = await request(pool)
    told = json.loads(done["telemetry"])
    assert (done["state"], done["error"]) == ("succeeded", None)
    assert done["finished_at"] >= done["started_at"] >= done["requested_at"]
    assert (told["peak_memory_mb"], told["hyperparameters"]) == (512.5, {"factors": 8})
    assert (told["metrics"], told["outcome"]) == ({"ndcg@10": 0.2}, "published the challenger")
    assert 89 < told["duration_s"] < 91


async def test_a_slow_airflow_holds_up_no_other_job(pool: asyncpg.Pool, airflow: Airflow) -> None:
    """Of a reference: training blocked the event loop."""
    airflow.loop = asyncio.get_running_loop()
    await ask(pool)
    for _ in ("starts it", "looks after it"):
        await train_on_demand(pool)
        assert ((await request(pool))["state"], (await request(pool))["error"]) == ("running", None)


async def test_asking_twice_is_one_training_and_another_one_afterwards(pool: asyncpg.Pool, airflow: Airflow) -> None:
    assert [await ask(pool), await ask(pool)] == [1, None]
    assert await ask(pool, "ranker")
    await train_on_demand(pool)
    assert await ask(pool) is None
    await pool.execute("update ops.training_requests set state = 'succeeded'")
    assert await ask(pool)


async def test_a_worker_that_dies_after_starting_a_run_starts_no_second_one(
    pool: asyncpg.Pool, airflow: Airflow
) -> None:
    await ask(pool)
    await train_on_demand(pool)
    await pool.execute("update ops.training_requests set state = 'queued', dag_run_id = null")  # it did not get so far
    await train_on_demand(pool)
    assert len(airflow.started) == 1
    assert (await request(pool))["state"] == "running"


@pytest.mark.parametrize(
    ("state", "summary", "why"),
    [
        ("failed", {"error": "NotReadyError: no dataset is prepared"}, "no dataset is prepared"),
        ("failed", None, "ended as failed"),
        (None, None, "ended as deleted"),
    ],
)
async def test_a_failed_run_says_why(
    pool: asyncpg.Pool, airflow: Airflow, state: str | None, summary: object, why: str
) -> None:
    await ask(pool)
    await train_on_demand(pool)
    if summary:
        await step(pool, "training-1", "failed", summary)
    if state:
        airflow.states["training-1"] = state
    else:
        del airflow.states["training-1"]
    await train_on_demand(pool)
    done = await request(pool)
    assert done["state"] == "failed"
    assert why in done["error"]


async def test_a_request_waits_while_airflow_is_away_and_says_so(
    pool: asyncpg.Pool, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(pool)
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_API_URL", f"http://127.0.0.1:{free_port()}")
        await train_on_demand(pool)
        assert (await request(pool))["state"] == "queued"
        assert "does not answer" in (await request(pool))["error"]
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW_API_PASSWORD", "wrong")
        await train_on_demand(pool)
        assert "AIRFLOW_API_PASSWORD" in (await request(pool))["error"]
    await train_on_demand(pool)
    assert ((await request(pool))["state"], (await request(pool))["error"]) == ("running", None)


async def test_without_airflow_a_request_fails_and_names_the_setting(pool: asyncpg.Pool) -> None:
    await ask(pool)
    await train_on_demand(pool)
    assert (await request(pool))["state"] == "failed"
    assert "AIRFLOW_API_PASSWORD" in (await request(pool))["error"]


async def test_growth_asks_once_and_counts_from_the_last_training(pool: asyncpg.Pool) -> None:
    settings = TrainingSettings(_env_file=None, after_events=3)  # type: ignore[call-arg]

    async def collect(name: str) -> None:
        for number in range(3):
            await pool.execute(
                "insert into raw.collected_events (dataset, event_id, timestamp_ms, user_id, item_id, event_type)"
                " values ('shop', $1, 1, 'u', 'i', 'view')",
                f"{name}-{number}",
            )

    await collect("before")
    await ask_by_growth(pool, settings)
    assert await request(pool) is None, "the first training is the pipeline's own"
    await step(pool, "nightly", "succeeded", SUMMARY)
    await pool.execute("update ops.step_runs set started_at = now() + interval '1 ms'")
    await ask_by_growth(pool, settings)
    assert await request(pool) is None, "events from before the last training do not count"
    await collect("after")
    await ask_by_growth(pool, settings)
    asked = await request(pool)
    assert (asked["model"], asked["trigger"]) == ("als", "TRAINING_AFTER_EVENTS")
    await pool.execute("update ops.training_requests set state = 'failed'")
    await ask_by_growth(pool, settings)
    assert await pool.fetchval("select count(*) from ops.training_requests") == 1, "a failed try is a try"

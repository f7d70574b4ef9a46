"""Training that somebody asked for: growth of the data adds requests, Airflow runs them, their outcome is kept.

A request's DAG run is called after the request, so that a worker that dies between starting a run and noting it starts
no second one.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import asyncpg

from recsys.errors import ConfigurationError, UnavailableError
from recsys.live.airflow_client import AirflowClient
from recsys.schema import Step, TrainedModel
from recsys.settings import AirflowSettings, TrainingSettings, load

log = logging.getLogger(__name__)

# The step that trains a model, and the DAG that holds it.
TRAINED_BY: dict[TrainedModel, tuple[Step, str]] = {
    TrainedModel.ALS: (Step.TRAIN_ALS, "train_als_model"),
    TrainedModel.RANKER: (Step.TRAIN_RANKER, "train_ranking_model_and_rank_recommendations"),
}

# Asking for what is asked for already changes nothing: `one_open_training` allows one open request a model.
ASK = """
insert into ops.training_requests (dataset, model, trigger, requested_by) values ($1, $2, $3, $4)
on conflict (dataset, model) where state in ('queued', 'running') do nothing
returning request_id
"""
_OPEN = """
select request_id, dataset, model, state from ops.training_requests
where state in ('queued', 'running') order by request_id
"""
_STARTED = """
update ops.training_requests set state = 'running', dag_run_id = $2, started_at = clock_timestamp(), error = null
where request_id = $1
"""
_WAITS = "update ops.training_requests set error = $2 where request_id = $1"
_FINISHED = """
update ops.training_requests set state = $2, telemetry = $3, error = $4, finished_at = clock_timestamp()
where request_id = $1
"""
_STEPS = """
select step, status, extract(epoch from finished_at - started_at)::float8 as seconds, summary::text as summary
from ops.step_runs where dataset = $1 and run_id = $2 order by started_at
"""
# Since when growth counts: the newest try to train, by whomever; never before the first training.
_LAST_TRAINING = """
select greatest(max(started_at), (
    select max(requested_at) from ops.training_requests where dataset = $1 and model = $3
)) from ops.step_runs where dataset = $1 and step = $2
having count(*) > 0
"""
_GROWTH = {
    "after_events": """
        select count(*) >= $3 from (
            select from raw.collected_events where dataset = $1 and ingested_at > $2 limit $3
        ) newer""",
    "after_products": """
        select count(*) >= $3 from (
            select from shop.products where dataset = $1 and created_at > $2 limit $3
        ) newer""",
}


async def train_on_demand(pool: asyncpg.Pool) -> None:
    """Queue what growth asks for, start what is queued, note what has ended."""
    await ask_by_growth(pool, load(TrainingSettings))
    requests = await pool.fetch(_OPEN)
    if not requests:
        return
    try:
        airflow = await asyncio.to_thread(AirflowClient, load(AirflowSettings))
    except ConfigurationError as error:
        for request in requests:
            await pool.execute(_FINISHED, request["request_id"], "failed", "{}", str(error))
        return
    except UnavailableError as error:
        for request in requests:
            await pool.execute(_WAITS, request["request_id"], str(error))
        return
    for request in requests:
        try:
            await _go_on(pool, airflow, request)
        except UnavailableError as error:
            await pool.execute(_WAITS, request["request_id"], str(error))


async def ask_by_growth(pool: asyncpg.Pool, settings: TrainingSettings) -> None:
    """Queue the training of each model whose data have grown by as much as a setting says."""
    limits = {name: limit for name, limit in settings.model_dump().items() if limit is not None}
    dataset = await pool.fetchval("select name from raw.datasets where is_active") if limits else None
    if dataset is None:
        return
    for model, (step, _) in TRAINED_BY.items():
        last = await pool.fetchval(_LAST_TRAINING, dataset, str(step), str(model))
        for name, limit in limits.items():
            if last is not None and await pool.fetchval(_GROWTH[name], dataset, last, limit):
                variable = f"TRAINING_{name.upper()}"
                if await pool.fetchval(ASK, dataset, str(model), variable, "worker"):
                    log.info("%s asks for training of %s.", variable, model)


async def _go_on(pool: asyncpg.Pool, airflow: AirflowClient, request: asyncpg.Record) -> None:
    """Take one request a step further."""
    step, dag_id = TRAINED_BY[TrainedModel(request["model"])]
    request_id, run_id = request["request_id"], f"training-{request['request_id']}"
    if request["state"] == "queued":
        await asyncio.to_thread(airflow.trigger, dag_id, run_id, {"dataset": request["dataset"]})
        await pool.execute(_STARTED, request_id, run_id)
        return
    state = await asyncio.to_thread(airflow.state, dag_id, run_id)
    if state in ("queued", "running"):
        return
    steps = {row["step"]: row for row in await pool.fetch(_STEPS, request["dataset"], run_id)}
    trained = steps.get(str(step))
    if state == "success" and trained is not None and trained["status"] == "succeeded":
        await pool.execute(_FINISHED, request_id, "succeeded", json.dumps(telemetry(trained, steps)), None)
        return
    errors = [json.loads(row["summary"]).get("error") for row in steps.values() if row["status"] == "failed"]
    why = "; ".join(filter(None, errors)) or f"Airflow's run {run_id} of {dag_id} ended as {state or 'deleted'}."
    known = json.dumps(telemetry(trained, steps)) if trained is not None else "{}"
    await pool.execute(_FINISHED, request_id, "failed", known, why)


def telemetry(trained: Mapping[str, Any], steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What is known of a training, from what its steps recorded.

    Args:
        trained: the row of the step that trained.
        steps: the rows of all steps of its run, by name.
    """
    summary = json.loads(trained["summary"])
    metrics = dict(summary.get("metrics", {}))
    return {
        "duration_s": trained["seconds"],
        "peak_memory_mb": metrics.pop("peak_memory_mb", None),
        "hyperparameters": summary.get("hyperparameters", {}),
        "metrics": metrics,
        "rows": summary.get("rows", {}),
        "outcome": summary.get("decision"),
        "reason": summary.get("reason"),
        "mlflow": summary.get("mlflow"),
        "steps_s": {name: row["seconds"] for name, row in steps.items()},
    }

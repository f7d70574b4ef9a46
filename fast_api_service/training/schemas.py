"""Requests for training as they are made and given back."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from recsys.schema import TrainedModel

State = Literal["queued", "running", "succeeded", "failed"]

EXAMPLE: dict[str, JsonValue] = {
    "request_id": 12,
    "model": "als",
    "state": "succeeded",
    "trigger": "api",
    "requested_by": "shop",
    "requested_at": "2026-11-20T10:00:00Z",
    "started_at": "2026-11-20T10:00:03Z",
    "finished_at": "2026-11-20T10:04:11Z",
    "dag_run_id": "training-12",
    "error": None,
    "telemetry": {
        "duration_s": 212.4,
        "peak_memory_mb": 1840.2,
        "hyperparameters": {"factors": 64, "iterations": 10},
        "metrics": {"ndcg@10": 0.0312, "gate_champion": 0.0307},
        "rows": {"events": 2756101},
        "outcome": "published the challenger",
        "reason": "ndcg@10 0.0312 is at least the bar of 0.0301",
        "mlflow": "http://127.0.0.1:5000/#/experiments/1/runs/0a1b",
        "steps_s": {"train_als": 212.4},
    },
}


class Wish(BaseModel):
    """What to train."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"model": "als"}]})

    model: TrainedModel = Field(description="`als`: tastes of users; `ranker`: the order of their candidates.")


class Training(BaseModel):
    """A request for training, and what came of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    request_id: int
    model: str
    state: State
    trigger: str = Field(description="`api`, or the setting of data growth that asked for it.")
    requested_by: str = Field(description="Name of the API key; `worker` for data growth.")
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    dag_run_id: str | None = Field(description="Its run in Airflow.")
    error: str | None = Field(description="Why it failed; for one that is queued, why it waits.")
    telemetry: dict[str, Any] = Field(
        description="Once it is over: duration, peak memory, hyperparameters, metrics, outcome of the gate."
    )


class Trainings(BaseModel):
    """A page of requests, newest first."""

    requests: list[Training]
    before: int | None = Field(description="Give it as `before` for the next page; null on the last one.")

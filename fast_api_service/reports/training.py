"""How training went: runs of steps with their durations and peak memory, requests, and what the gate last decided."""

from datetime import date, timedelta
from typing import Any

import asyncpg
import orjson

from recsys.live.training import TRAINED_BY

_STEPS = """
select step, count(*) as started, count(*) filter (where status = 'succeeded') as completed,
       count(*) filter (where status = 'failed') as failed,
       avg(seconds) as average_s, max(seconds) as longest_s, avg(memory) as average_memory, max(memory) as most_memory
from (
    select step, status, extract(epoch from finished_at - started_at)::float8 as seconds,
           (summary->'metrics'->>'peak_memory_mb')::float8 as memory
    from ops.step_runs where dataset = $1 and started_at >= $2 and started_at < $3
) runs
group by step order by step
"""
_REQUESTS = """
select model, state, count(*) as requests from ops.training_requests
where dataset = $1 and requested_at >= $2 and requested_at < $3 group by model, state order by model, state
"""
_NEWEST = """
select finished_at, summary::text as summary from ops.step_runs
where dataset = $1 and step = $2 and status = 'succeeded' order by finished_at desc limit 1
"""


async def training(pool: asyncpg.Pool, dataset: str, start: date, end: date) -> dict[str, Any]:
    """The document of `schemas.TrainingReport`."""
    scope = dataset, start, end + timedelta(days=1)
    return {
        "from": start,
        "to": end,
        "steps": [
            {
                "step": row["step"],
                "started": row["started"],
                "completed": row["completed"],
                "failed": row["failed"],
                "duration_s": {"average": row["average_s"], "most": row["longest_s"]},
                "peak_memory_mb": {"average": row["average_memory"], "most": row["most_memory"]},
            }
            for row in await pool.fetch(_STEPS, *scope)
        ],
        "requests": [dict(row) for row in await pool.fetch(_REQUESTS, *scope)],
        "models": await models(pool, dataset),
    }


async def models(pool: asyncpg.Pool, dataset: str) -> list[dict[str, Any]]:
    """What the newest training of each model came to; models that were never trained are left out."""
    found = []
    for model, (step, _) in TRAINED_BY.items():
        row = await pool.fetchrow(_NEWEST, dataset, str(step))
        if row is not None:
            summary = orjson.loads(row["summary"])
            found.append(
                {
                    "model": model,
                    "trained_at": row["finished_at"],
                    "outcome": summary.get("decision"),
                    "reason": summary.get("reason"),
                    "in_service": summary.get("champion_version"),
                    "hyperparameters": summary.get("hyperparameters", {}),
                    "metrics": summary.get("metrics", {}),
                }
            )
    return found

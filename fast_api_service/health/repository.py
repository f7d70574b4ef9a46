"""What `ops.step_runs` says of the pipelines, as metrics, so that one scrape shows service and pipelines."""

import asyncpg
import orjson

from fast_api_service import metrics

LAST_SUCCESSES = """
select distinct on (step) step, extract(epoch from finished_at) as finished,
       extract(epoch from finished_at - started_at) as seconds, summary::text as summary
from ops.step_runs
where status = 'succeeded' and dataset = (select name from raw.datasets where is_active)
order by step, finished_at desc
"""


async def report(pool: asyncpg.Pool) -> None:
    """Read the newest success of each step and set the gauges."""
    for row in await pool.fetch(LAST_SUCCESSES):
        metrics.STEP_SUCCESS.labels(row["step"]).set(float(row["finished"]))
        metrics.STEP_SECONDS.labels(row["step"]).set(float(row["seconds"]))
        accepted = orjson.loads(row["summary"]).get("metrics", {}).get("gate_accepted")
        if accepted is not None:
            metrics.GATE.labels(row["step"].removeprefix("train_")).set(accepted)

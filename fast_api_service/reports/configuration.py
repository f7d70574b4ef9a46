"""What is configured now: placements, rules, tuned settings, the models in service."""

from typing import Any

import orjson

from fast_api_service.configuration import service as placements
from fast_api_service.reports.training import models
from fast_api_service.state import ServiceState
from recsys.schema import Source

_TUNED = """
select step, setting, value::text as value, metric, before, after, tuned_at from ops.tuned_settings
where dataset = $1 order by step, setting
"""
_RULES = "select count(*) from shop.rules where dataset = $1"


async def configuration(state: ServiceState, dataset: str) -> dict[str, Any]:
    """The document of `schemas.ConfigurationReport`."""
    pool = state.pool
    return {
        "dataset": dataset,
        "configuration": await placements.newest(pool, state.decisions),
        "sources": list(Source),
        "rules": await pool.fetchval(_RULES, dataset),
        "tuned": [dict(each) | {"value": orjson.loads(each["value"])} for each in await pool.fetch(_TUNED, dataset)],
        "models": await models(pool, dataset),
    }

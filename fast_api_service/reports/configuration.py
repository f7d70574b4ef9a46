"""What is configured now: placements, active rules, tuned settings, the models in service."""

from typing import Any

import asyncpg
import orjson
from pydantic import ValidationError

from fast_api_service.reports.training import models
from recsys.placements.configuration import Configuration
from recsys.schema import Source

_CONFIGURATION = """
select version, author, created_at, comment, body::text as body from shop.configurations
where dataset = $1 order by version desc limit 1
"""
_TUNED = """
select step, setting, value::text as value, metric, before, after, tuned_at from ops.tuned_settings
where dataset = $1 order by step, setting
"""
_RULES = "select count(*) from shop.rules where dataset = $1"


async def configuration(pool: asyncpg.Pool, dataset: str) -> dict[str, Any]:
    """The document of `schemas.ConfigurationReport`."""
    row = await pool.fetchrow(_CONFIGURATION, dataset)
    problem = None
    try:
        placements = Configuration.model_validate_json(row["body"]) if row else Configuration()
    except ValidationError as error:
        placements, problem = None, f"Version {row['version']} is not usable, the last good one stays in use: {error}"
    return {
        "dataset": dataset,
        "version": row and row["version"],
        "author": row and row["author"],
        "created_at": row and row["created_at"],
        "comment": row and row["comment"],
        "problem": problem,
        "placements": placements and placements.complete().model_dump(mode="json")["placements"],
        "sources": list(Source),
        "rules": await pool.fetchval(_RULES, dataset),
        "tuned": [dict(each) | {"value": orjson.loads(each["value"])} for each in await pool.fetch(_TUNED, dataset)],
        "models": await models(pool, dataset),
    }

"""DAG params made from the pipeline's settings, so that the trigger form and the variables never differ.

A param is called like its variable without the prefix: `PIPELINE__RANKER__SIZE` is `ranker__size`. Its default is the
value in force where the DAG is read, its bounds are the model's bounds.
"""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Param
from pydantic import BaseModel

from recsys.settings import PipelineSettings, load

RUN = ("dataset", "now")
SEPARATOR = "__"


def params_for(*groups: str) -> dict[str, Param]:
    """The params of a DAG: which data to work on, then every field of the given groups of `PipelineSettings`."""
    settings = load(PipelineSettings)
    params = {name: _param(settings, name, section="Run") for name in RUN}
    for group in groups:
        values = getattr(settings, group)
        section = group.replace("_", " ").capitalize()
        if isinstance(values, BaseModel):
            for name in type(values).model_fields:
                params[f"{group}{SEPARATOR}{name}"] = _param(values, name, section)
        else:
            description = str(PipelineSettings.model_fields[group].description)
            for name, value in values.items():
                params[f"{group}{SEPARATOR}{name}"] = Param(
                    value, description, type="number", minimum=0, title=_title(name), section=section
                )
    return params


def overrides(params: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the params of a run back into arguments of `PipelineSettings`; params that are no settings are left out."""
    given: dict[str, Any] = {}
    for name, value in params.items():
        group, _, field = name.partition(SEPARATOR)
        if group not in PipelineSettings.model_fields:
            continue
        if field:
            given.setdefault(group, {})[field] = value
        else:
            given[group] = value
    return given


def _param(model: BaseModel, name: str, section: str) -> Param:
    schema = dict(type(model).model_json_schema()["properties"][name])
    schema.pop("default", None)
    # Pydantic writes "string or null" as anyOf; the trigger form knows a list of types only.
    if choices := schema.pop("anyOf", None):
        schema["type"] = [choice["type"] for choice in choices]
    description = schema.pop("description", None)
    return Param(getattr(model, name), description, schema=schema | {"title": _title(name), "section": section})


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()

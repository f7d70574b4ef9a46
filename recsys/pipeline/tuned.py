"""Settings that `recsys tune` found for a dataset, beside its profile: they replace defaults, never a choice."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl

from recsys.dataset.prepared import PreparedDataset
from recsys.evaluation.protocols.time_window import split_by_time, window_start
from recsys.evaluation.tuning import Tuning, tune
from recsys.models.registry import ModelRegistry
from recsys.pipeline.context import RunContext
from recsys.pipeline.train_als import EVENT_COLUMNS
from recsys.schema import Columns, Step
from recsys.settings import PipelineSettings
from recsys.storage import postgres

# By model: each parameter, and the group and field of `PipelineSettings` that it comes from.
SETTINGS: dict[str, dict[str, tuple[str, str]]] = {
    "als": {name: ("train_als", name) for name in ("factors", "regularization", "alpha", "half_life_days")},
    "item_to_item": {
        "half_life_days": ("similar_items", "half_life_days"),
        "popularity_power": ("similar_items", "popularity_power"),
        "history": ("i2i", "history"),
        "history_half_life_days": ("i2i", "half_life_days"),
    },
    "popularity": {"half_life_days": ("default", "half_life_days")},
}


def in_use(model: str, settings: PipelineSettings) -> dict[str, Any]:
    """The parameters with which the pipelines make a model."""
    return {name: getattr(getattr(settings, group), field) for name, (group, field) in SETTINGS[model].items()}


def search(context: RunContext, model: str, *, minutes: float, storage: str, say: Callable[[str], None]) -> Tuning:
    """Tune on the window before the gate's, log it to MLflow, and keep what is better than the parameters in use."""
    gate = context.settings.gate
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        events, now = prepared.events().select(EVENT_COLUMNS).collect(), prepared.now
    end = window_start(events, now, gate.window_days)
    known = events.filter(pl.col(Columns.TIMESTAMP) <= end)
    cut = window_start(known, end, gate.window_days)
    min_items = context.settings.personalized.min_items
    split = split_by_time(known, cut, end, min_items=min_items, max_users=gate.max_users, seed=42)
    fixed = in_use(model, context.settings)
    # Another window or another present is another question, so its search begins anew.
    study = f"{model} {context.dataset} {gate.metric} {cut.isoformat()} {end.isoformat()} {known.height}"
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    with registry.training(f"tuning-{model}", context.run_id, fixed) as run:
        found = tune(model, split, gate.metric, fixed=fixed, minutes=minutes, storage=storage, study=study, say=say)
        run.log_metrics({gate.metric: found.value, "before": found.baseline, "trials": len(found.trials)})
        run.log_report({"best": found.best, "trials": found.trials}, "tuning.json")
    if found.value > found.baseline:
        keep(context, model, found)
    return found


def keep(context: RunContext, model: str, tuning: Tuning) -> None:
    """Store the best parameters as the dataset's settings."""
    with postgres.transaction(context.postgres) as cursor:
        for name, value in tuning.best.items():
            group, field = SETTINGS[model][name]
            cursor.execute(
                "insert into ops.tuned_settings (dataset, step, setting, value, metric, before, after)"
                " values (%s, %s, %s, %s, %s, %s, %s) on conflict (dataset, step, setting) do update set"
                " (value, metric, before, after, tuned_at) ="
                " (excluded.value, excluded.metric, excluded.before, excluded.after, now())",
                (context.dataset, group, field, json.dumps(value), tuning.metric, tuning.baseline, tuning.value),
            )

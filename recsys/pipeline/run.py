"""Runs steps by name and keeps their log in Postgres. Both the DAGs and `recsys run` come through here."""

import importlib
import logging
from collections.abc import Callable
from dataclasses import replace

from recsys.evaluation import peak_memory
from recsys.pipeline.context import RunContext, StepSummary
from recsys.schema import Step

log = logging.getLogger(__name__)

# Module and function of each step, in order. Imported when run: making popularity lists needs no CatBoost.
STEPS: dict[Step, tuple[str, str]] = {
    Step.PREPARE_DATASET: ("recsys.pipeline.prepare_dataset", "prepare_dataset"),
    Step.TRAIN_ALS: ("recsys.pipeline.train_als", "train_als"),
    Step.DEFAULT: ("recsys.pipeline.default", "recommend_default"),
    Step.PERSONALIZED: ("recsys.pipeline.personalized", "recommend_personalized"),
    Step.SIMILAR_ITEMS: ("recsys.pipeline.similar_items", "recommend_similar_items"),
    Step.I2I: ("recsys.pipeline.i2i", "recommend_i2i"),
    Step.TRAIN_RANKER: ("recsys.pipeline.train_ranker", "train_ranker"),
    Step.RANK: ("recsys.pipeline.rank", "rank"),
}


def run_step(step: Step, context: RunContext) -> StepSummary:
    """Run one step; its start, summary and failure are recorded in `ops.step_runs`.

    The summary is given `peak_memory_mb`: the most this process held at once while the step ran, where Linux tells.
    """
    module, name = STEPS[step]
    function: Callable[[RunContext], StepSummary] = getattr(importlib.import_module(module), name)
    context.record_start(step)
    peak_memory.reset()
    try:
        summary = function(context)
    except BaseException as error:
        context.record_end(step, None, error)
        raise
    if (peak := peak_memory.megabytes()) is not None:
        summary = replace(summary, metrics=summary.metrics | {"peak_memory_mb": round(peak, 1)})
    context.record_end(step, summary)
    log.info("%s: %s", step, summary.as_dict())
    return summary

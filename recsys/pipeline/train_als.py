"""Step 2: a new ALS model, published only through the gate."""

import logging

from recsys.dataset.prepared import PreparedDataset
from recsys.errors import IntegrityError, NotReadyError
from recsys.evaluation.gate import decide
from recsys.evaluation.judging import judge
from recsys.evaluation.metrics import REPORTED
from recsys.evaluation.protocols.base import Split
from recsys.evaluation.protocols.time_window import split_by_time, window_start
from recsys.models.als import Als
from recsys.models.registry import ModelRegistry, ModelVersion
from recsys.pipeline.context import RunContext, StepSummary
from recsys.pipeline.gated import conclude
from recsys.schema import Columns, Step

log = logging.getLogger(__name__)

# Each version keeps two fits: one on everything, for service, and one on what came before the gate's window. So a
# champion is never judged on events that it has learned from, not even when training runs twice on one day.
MODEL = "model"
HOLDOUT = "holdout"

EVENT_COLUMNS = (Columns.USER, Columns.ITEM, Columns.TIMESTAMP, Columns.EVENT_TYPE, Columns.RATING)


def train_als(context: RunContext) -> StepSummary:
    """Fit on what came before the newest window, judge on it, and if accepted fit on everything and go live."""
    settings, gate = context.settings.train_als, context.settings.gate
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        events, now = prepared.events().select(EVENT_COLUMNS).collect(), prepared.now
    cut = window_start(events, now, gate.window_days)
    min_items = context.settings.personalized.min_items
    split = split_by_time(events, cut, now, min_items=min_items, max_users=gate.max_users, seed=settings.seed)
    metrics = (gate.metric, *REPORTED)
    with registry.training(Als.name, context.run_id, settings.model_dump()) as run:
        holdout = Als(settings).fit(split.history, now=cut)
        challenger = judge(holdout, split, metrics)
        champion = registry.find(Als.name)
        rival = _load_unbiased(registry, champion, split) if champion else None
        decision = decide(challenger, judge(rival, split, metrics) if rival else None, gate)
        parts = {HOLDOUT: holdout}
        if decision.accepted:
            parts[MODEL] = Als(settings).fit(events, now=now)
        trained = run.register(parts, {MODEL: now.isoformat(), HOLDOUT: cut.isoformat()})
        run.log_metrics(challenger.values | decision.numbers())
        in_service, report = conclude(run, decision, trained, champion, MODEL, Als.load)
    registry.retire(Als.name, context.settings.publish.keep_models)
    return StepSummary(
        Step.TRAIN_ALS,
        in_service.prefix,
        rows={"events": events.height, "items": holdout.size},
        metrics=challenger.values | decision.numbers(),
        notes=report | {"hyperparameters": settings.model_dump()},
    )


def _load_unbiased(registry: ModelRegistry, champion: ModelVersion, split: Split) -> Als | None:
    """The champion's newest fit that has not seen the split's window; None if there is none or it cannot be read."""
    for part in (MODEL, HOLDOUT):
        if champion.tags.get(part, "9999") <= split.cut.isoformat():
            try:
                with registry.files(champion, part) as folder:
                    return Als.load(folder)
            except (NotReadyError, IntegrityError) as error:
                log.warning("The champion cannot be compared with: %s", error)
                return None
    return None

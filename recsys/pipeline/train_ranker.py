"""Step 7, first half: a new ranker, published only through the gate.

Nothing learns from its own future and nothing is judged by what it learned from: sources and features know what came
before a cut, targets come from the window after it, and the gate's window, newer than all of these, is judged with
sources and features made anew as of its own start.
"""

import logging
from datetime import datetime

from recsys.dataset.prepared import PreparedDataset
from recsys.errors import IntegrityError, NotReadyError
from recsys.evaluation.gate import decide
from recsys.evaluation.metrics import REPORTED, Evaluation
from recsys.evaluation.protocols.time_window import window_start
from recsys.models.registry import ModelRegistry, ModelVersion
from recsys.pipeline.context import RunContext, StepSummary
from recsys.pipeline.gated import conclude
from recsys.pipeline.train_als import EVENT_COLUMNS, MODEL
from recsys.ranking.candidates import SOURCES
from recsys.ranking.comparison import CANDIDATES, CEILING, compare
from recsys.ranking.examples import examples
from recsys.ranking.ranker import Ranker
from recsys.ranking.replay import Replay, Shop, past_replays
from recsys.ranking.shap import shap_plot
from recsys.schema import Columns, Step

log = logging.getLogger(__name__)

_TRAINED_UNTIL = "trained_until"


def train_ranker(context: RunContext) -> StepSummary:
    """Learn from past candidates, judge on the newest window, and if accepted go live.

    The model that passed the gate is the one that is served: its features are relative to a moment, so it does not age
    as item factors do and needs no second fit.
    """
    settings, gate = context.settings, context.settings.gate
    registry = ModelRegistry(context.mlflow, context.store, context.dataset)
    shop, now = _load(context)
    cut = window_start(shop.events, now, gate.window_days)
    with registry.training(Ranker.name, context.run_id, settings.ranker.model_dump()) as run:
        rows = examples(past_replays(shop, cut, settings), settings.ranker)
        if rows.until > cut:
            raise IntegrityError(
                f"The ranker learned from targets until {rows.until}, but the gate's window begins at {cut}.",
                remedy="Nothing was published. The targets of all windows must end before the gate's window begins.",
            )
        ranker = Ranker(settings.ranker).fit(rows.features, rows.matrix, rows.labels, rows.weights)
        champion = registry.find(Ranker.name)
        rival = _load_comparable(registry, champion, rows.features, cut) if champion else None
        rankers = {"challenger": ranker} | ({"champion": rival} if rival else {})
        results = compare(rankers, Replay.of(shop, cut, now, settings, gate.max_users), (gate.metric, *REPORTED))
        decision = decide(results["challenger"], results.get("champion"), gate)
        trained = run.register({MODEL: ranker}, {_TRAINED_UNTIL: cut.isoformat()})
        metrics = _metrics(results, gate.metric) | decision.numbers()
        run.log_metrics(metrics)
        run.log_report(ranker.importance(), "importance.json")
        run.log_figure(shap_plot(ranker, rows.features, rows.matrix), "shap.png")
        in_service, report = conclude(run, decision, trained, champion, MODEL, Ranker.load)
    registry.retire(Ranker.name, settings.publish.keep_models)
    return StepSummary(
        Step.TRAIN_RANKER,
        in_service.prefix,
        rows={"train_rows": len(rows.labels), "positives": int(rows.labels.sum())},
        metrics=metrics,
        notes=report
        | {
            "hyperparameters": settings.ranker.model_dump(),
            "importance": dict(list(ranker.importance().items())[:10]),
        },
    )


def _load(context: RunContext) -> tuple[Shop, datetime]:
    with context.workspace() as folder:
        prepared = PreparedDataset.fetch(context.store, context.newest_output(Step.PREPARE_DATASET), folder)
        return load_shop(prepared), prepared.now


def load_shop(prepared: PreparedDataset) -> Shop:
    """What ranking needs of a prepared dataset, in memory."""
    return Shop(
        prepared.events().select(*EVENT_COLUMNS, Columns.PRICE).collect(),
        prepared.item_history().collect(),
        prepared.categories().select(Columns.CATEGORY, "parent_id").collect(),
    )


def _load_comparable(
    registry: ModelRegistry, champion: ModelVersion, features: list[str], cut: datetime
) -> Ranker | None:
    """The champion, unless it has learned from the gate's window, expects other features, or cannot be read."""
    if champion.tags.get(_TRAINED_UNTIL, "9999") > cut.isoformat():
        return None
    try:
        with registry.files(champion, MODEL) as folder:
            ranker = Ranker.load(folder)
    except (NotReadyError, IntegrityError) as error:
        log.warning("The champion cannot be compared with: %s", error)
        return None
    return ranker if ranker.features == features else None


def _metrics(results: dict[str, Evaluation], decisive: str) -> dict[str, float]:
    """The challenger's metrics under their own names, each source's with its name before, and how the two compare."""
    values = dict(results["challenger"].values)
    values |= {
        f"{source}_{name}": value for source in SOURCES.values() for name, value in results[source].values.items()
    }
    best = max(results[source].values[decisive] for source in SOURCES.values())
    values["recall_ceiling"] = results[CANDIDATES].values[CEILING]
    return values | {"best_source": best, "gain_over_best_source": values[decisive] - best}

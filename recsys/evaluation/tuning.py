"""A model's parameters, searched for on the validation window; the one that the gate judges by stays unseen.

Optuna's tree-structured Parzen estimator (Bergstra et al., "Algorithms for Hyper-Parameter Optimization", NIPS 2011).
The search begins with the parameters in use and is kept in a database: stopped at any moment, it goes on from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import optuna

from recsys.errors import BadInputError
from recsys.evaluation.judging import judge
from recsys.evaluation.metrics import parse_metric
from recsys.evaluation.protocols.base import Split
from recsys.models.known import make


@dataclass(frozen=True)
class Range:
    """What a parameter may be; whole numbers if the bounds are, and `log` where ratios matter more than steps."""

    low: float
    high: float
    log: bool = True

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """A value to try."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


SPACES: dict[str, dict[str, Range]] = {
    "als": {
        "factors": Range(16, 192),
        "regularization": Range(0.001, 1.0),
        "alpha": Range(0.5, 40.0),
        "half_life_days": Range(3.0, 365.0),
    },
    "item_to_item": {
        "half_life_days": Range(7.0, 365.0),
        "popularity_power": Range(0.0, 0.5, log=False),
        "history": Range(3, 50),
        "history_half_life_days": Range(1.0, 90.0),
    },
    "popularity": {"half_life_days": Range(0.5, 180.0)},
}


@dataclass(frozen=True)
class Tuning:
    """What a search found.

    Attributes:
        trials: parameters and value of each, in the order tried, those of earlier calls included.
        baseline: the value of the parameters in use.
    """

    metric: str
    trials: list[dict[str, Any]]
    best: dict[str, Any]
    value: float
    baseline: float


def tune(
    model: str,
    split: Split,
    metric: str,
    *,
    fixed: Mapping[str, Any],
    minutes: float,
    storage: str,
    study: str,
    seed: int = 42,
    say: Callable[[str], None] = lambda text: None,
) -> Tuning:
    """Search for `minutes`, at least one trial, and give the best of all trials so far.

    Args:
        split: the validation side.
        fixed: the parameters in use; those that are not searched for stay as they are.
        storage: an SQLAlchemy address, where the search is kept under the name `study`.
        say: told after each trial.

    Raises:
        BadInputError: there is nothing to tune about that model.
        ConfigurationError: unknown metric.
    """
    parse_metric(metric)
    if model not in SPACES:
        raise BadInputError(f"There is no {model!r} to tune.", remedy=f"Choose one of {', '.join(sorted(SPACES))}.")
    space = SPACES[model]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    search = optuna.create_study(
        study_name=study,
        storage=storage,
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=seed),
        load_if_exists=True,
    )
    in_use = {name: fixed[name] for name in space}
    search.enqueue_trial(in_use, skip_if_exists=True)

    def value(trial: optuna.Trial) -> float:
        chosen = {name: bounds.suggest(trial, name) for name, bounds in space.items()}
        recommender = make(model, **{**fixed, **chosen}).fit(split.history, now=split.cut)
        return judge(recommender, split, (metric,)).values[metric]

    def tell(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        say(f"trial {trial.number + 1}: {metric} {trial.value:.4f}, best {search.best_value:.4f}")

    search.optimize(value, timeout=minutes * 60, callbacks=[tell])
    done = search.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    baseline = next((trial.value for trial in done if trial.params == in_use), None)
    return Tuning(
        metric,
        [{**trial.params, metric: trial.value} for trial in done],
        dict(search.best_params),
        search.best_value,
        search.best_value if baseline is None else baseline,
    )

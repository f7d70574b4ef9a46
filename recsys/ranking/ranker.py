"""Orders candidates by the odds that the user will act on them.

Gradient boosted trees: CatBoost, Prokhorenkova et al., "Unbiased boosting with categorical features", NeurIPS 2018. A
Logloss classifier, because on the same rows the ranking loss YetiRank takes nine times as long.
"""

import json
from pathlib import Path
from typing import Self

import numpy as np
from catboost import CatBoostClassifier, CatBoostError, Pool

from recsys.errors import BadInputError, IntegrityError, NotReadyError
from recsys.settings import RankerSettings

_MODEL, _DESCRIPTION = "ranker.cbm", "ranker.json"


class Ranker:
    """A trained ranker and the names of the features it expects."""

    name = "ranker"

    def __init__(self, settings: RankerSettings | None = None) -> None:
        self.settings = settings or RankerSettings()
        self.features: list[str] = []
        self._model: CatBoostClassifier | None = None

    def fit(self, features: list[str], matrix: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> Self:
        """Learn from rows of `feature_matrix`.

        Args:
            labels: 1 for candidates acted on in the target window, else 0.
            weights: how much each row counts.

        Raises:
            BadInputError: all labels are the same, so there is nothing to tell apart.
        """
        if len(np.unique(labels)) < 2:
            raise BadInputError(
                f"Of {len(labels)} candidates {int(labels.sum())} were acted on in the target window.",
                remedy="The ranker needs both kinds: raise ranker.target_days or load more events.",
            )
        model = CatBoostClassifier(
            loss_function="Logloss",
            iterations=self.settings.iterations,
            depth=self.settings.depth,
            learning_rate=self.settings.learning_rate,
            random_seed=self.settings.seed,
            allow_writing_files=False,
            verbose=False,
        )
        self._model = model.fit(Pool(matrix, labels, weight=weights, feature_names=features))
        self.features = features
        return self

    def score(self, features: list[str], matrix: np.ndarray) -> np.ndarray:
        """Log-odds of each row, float32; higher is better.

        Raises:
            NotReadyError: not fitted.
            IntegrityError: the ranker was trained on other features.
        """
        if self._model is None:
            raise NotReadyError("The ranker has not been fitted.", remedy="Call fit() or load() first.")
        if features != self.features:
            changed = sorted(set(features) ^ set(self.features))
            raise IntegrityError(
                f"The ranker was trained on other features than there are now; different: {changed}.",
                remedy="Train it again: `recsys run train_ranker`.",
            )
        scores: np.ndarray = self._model.predict(matrix, prediction_type="RawFormulaVal")
        return scores.astype(np.float32)

    def importance(self) -> dict[str, float]:
        """Share of each feature in the predictions in percent, largest first (CatBoost's PredictionValuesChange)."""
        if self._model is None:
            raise NotReadyError("The ranker has not been fitted.", remedy="Call fit() or load() first.")
        shares = dict(zip(self.features, map(float, self._model.get_feature_importance()), strict=True))
        return dict(sorted(shares.items(), key=lambda entry: -entry[1]))

    def shap_values(self, matrix: np.ndarray) -> np.ndarray:
        """What each feature adds to the log-odds of each row, in the shape of `matrix`.

        Lundberg & Lee, "A Unified Approach to Interpreting Model Predictions", NeurIPS 2017, exact for trees.
        """
        if self._model is None:
            raise NotReadyError("The ranker has not been fitted.", remedy="Call fit() or load() first.")
        pool = Pool(matrix, feature_names=self.features)
        values: np.ndarray = self._model.get_feature_importance(pool, type="ShapValues")
        return values[:, :-1]  # the last column is what all rows have in common

    def save(self, folder: Path) -> None:
        """Write the trees and `ranker.json`."""
        if self._model is None:
            raise NotReadyError("The ranker has not been fitted.", remedy="Call fit() first.")
        self._model.save_model(str(folder / _MODEL))
        description = {"settings": self.settings.model_dump(), "features": self.features}
        (folder / _DESCRIPTION).write_text(json.dumps(description))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            IntegrityError: the files are not a ranker's.
        """
        description = json.loads((folder / _DESCRIPTION).read_text())
        ranker = cls(RankerSettings(**description["settings"]))
        ranker.features = description["features"]
        ranker._model = CatBoostClassifier()
        try:
            ranker._model.load_model(str(folder / _MODEL))
        except CatBoostError as error:
            raise IntegrityError(f"{_MODEL} is not a model: {error}.", remedy="Train the ranker again.") from error
        return ranker

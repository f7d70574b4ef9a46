from pathlib import Path

import numpy as np
import pytest

from recsys.errors import BadInputError, IntegrityError, NotReadyError
from recsys.ranking.ranker import Ranker
from recsys.settings import RankerSettings

FEATURES = ["signal", "noise"]


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    matrix = np.asfortranarray(random.random((400, 2), dtype=np.float32))
    matrix[::7, 0] = np.nan
    return matrix, (np.nan_to_num(matrix[:, 0]) > 0.6).astype(np.int8)


@pytest.fixture(scope="module")
def ranker(rows: tuple[np.ndarray, np.ndarray]) -> Ranker:
    matrix, labels = rows
    settings = RankerSettings(iterations=20, depth=2)
    return Ranker(settings).fit(FEATURES, matrix, labels, np.ones(len(labels), np.float32))


def test_it_learns_what_tells_candidates_apart(ranker: Ranker) -> None:
    high, low, unknown = ranker.score(FEATURES, np.array([[0.9, 0.5], [0.1, 0.5], [np.nan, 0.5]], np.float32))
    assert high > 0 > low
    assert unknown < 0
    assert next(iter(ranker.importance())) == "signal"
    assert sum(ranker.importance().values()) == pytest.approx(100)


def test_saved_and_loaded_it_scores_the_same(
    ranker: Ranker, rows: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    ranker.save(tmp_path)
    loaded = Ranker.load(tmp_path)
    assert np.array_equal(loaded.score(FEATURES, rows[0]), ranker.score(FEATURES, rows[0]))
    assert (loaded.settings, loaded.importance()) == (ranker.settings, ranker.importance())


def test_other_features_are_refused(ranker: Ranker) -> None:
    with pytest.raises(IntegrityError, match=r"different: \['noise', 'sound'\].*recsys run train_ranker"):
        ranker.score(["signal", "sound"], np.zeros((1, 2), np.float32))


def test_labels_of_one_kind_are_refused() -> None:
    with pytest.raises(BadInputError, match="Of 3 candidates 0 were acted on"):
        Ranker().fit(FEATURES, np.zeros((3, 2), np.float32), np.zeros(3), np.ones(3))


def test_files_that_are_no_model_are_refused(ranker: Ranker, tmp_path: Path) -> None:
    ranker.save(tmp_path)
    (tmp_path / "ranker.cbm").write_bytes(b"nonsense")
    with pytest.raises(IntegrityError, match="not a model"):
        Ranker.load(tmp_path)
    with pytest.raises(NotReadyError, match="has not been fitted"):
        Ranker().score(FEATURES, np.zeros((1, 2), np.float32))

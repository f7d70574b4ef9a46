import numpy as np
import polars as pl
import pytest
from contract import NOW, SHOP, interactions

from recsys.errors import BadInputError
from recsys.models.ease import Ease


def history() -> pl.DataFrame:
    random = np.random.default_rng(5)
    tastes = random.integers(0, 3, 200)
    return interactions(
        [
            (f"u{user}", f"i{item:02}", float(place))
            for user, taste in enumerate(tastes)
            for place, item in enumerate(random.choice(np.arange(10 * taste, 10 * taste + 16) % 30, 6, replace=False))
        ]
    )


def dense_matrix(frame: pl.DataFrame) -> np.ndarray:
    wide = frame.unique(["user_id", "item_id"]).pivot("item_id", index="user_id", values="rating").fill_null(0)
    return wide.select(sorted(wide.columns[1:])).to_numpy().astype(float)


def weights(model: Ease) -> np.ndarray:
    found = model._weights
    return found if isinstance(found, np.ndarray) else found.toarray()


@pytest.mark.parametrize("regularization", [0.5, 50.0])
def test_weights_are_those_of_the_paper(regularization: float) -> None:
    """B = I - P · diag(1 / diag P), from a general inverse."""
    x = dense_matrix(history())
    inverse = np.linalg.inv(x.T @ x + regularization * np.eye(x.shape[1]))
    expected = np.eye(x.shape[1]) - inverse / np.diag(inverse)
    found = weights(Ease(regularization=regularization).fit(history(), now=NOW))
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_regularization_acts() -> None:
    """In both forms more of it means smaller weights and another list; little of it fits the training data better."""
    x = dense_matrix(history())
    for options in ({}, {"max_dense_items": 1, "support": 12}):
        found = {
            value: weights(Ease(regularization=value, **options).fit(history(), now=NOW)) for value in (1, 30, 900)
        }
        sizes = [np.linalg.norm(found[value]) for value in (1, 30, 900)]
        assert sizes[0] > 1.5 * sizes[1] > 2.25 * sizes[2]
        errors = [np.linalg.norm(x - x @ found[value]) for value in (1, 30, 900)]
        assert errors[0] < errors[1] < errors[2]


def test_the_sparse_form_is_exact_when_the_support_reaches() -> None:
    random = np.random.default_rng(8)
    rows = [(f"u{user}", f"i{item}", 1.0) for user in range(100) for item in random.choice(12, 5, replace=False)]
    dense, sparse = (
        weights(Ease(regularization=5.0, max_dense_items=limit, support=11).fit(interactions(rows), now=NOW))
        for limit in (1_000, 1)
    )
    np.testing.assert_allclose(sparse, dense, atol=1e-4)


def test_the_sparse_form_loses_little_with_half_the_support() -> None:
    x = dense_matrix(history())

    def objective(found: np.ndarray) -> float:
        return float(np.linalg.norm(x - x @ found) ** 2 + 5.0 * np.linalg.norm(found) ** 2)

    dense, half, none = (
        Ease(regularization=5.0, **options).fit(history(), now=NOW)
        for options in ({}, {"max_dense_items": 1, "support": 15}, {"max_dense_items": 1, "support": 1})
    )
    assert objective(weights(dense)) <= objective(weights(half)) < objective(weights(none))
    assert objective(weights(half)) < 1.05 * objective(weights(dense))
    assert (weights(half) != 0).sum(axis=0).max() <= 15


def test_newer_items_of_a_history_count_more() -> None:
    model = Ease(regularization=1.0, history_decay=0.5).fit(SHOP, now=NOW)
    mixed = model.recommend(interactions([("me", "x1", 9), ("me", "y1", 1)]), 1)
    assert mixed["item_id"][0].startswith("y")


def test_regularization_must_be_above_zero() -> None:
    with pytest.raises(BadInputError, match="regularization is 0"):
        Ease(regularization=0)


def test_dislikes_alone_weigh_nothing_where_ratings_count() -> None:
    disliked = interactions([(f"u{user}", item, 1) for user in range(20) for item in ("bad", "worse")])
    frame = pl.concat([history(), disliked.with_columns(rating=pl.lit(-1.0, pl.Float32))])
    found, without = (
        Ease(max_dense_items=1, support=3, rating_power=1).fit(events, now=NOW).recommend(history(), 5)
        for events in (frame, history())
    )
    assert found.equals(without)

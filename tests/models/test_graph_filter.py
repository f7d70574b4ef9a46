import numpy as np
import polars as pl
import pytest
from contract import NOW, interactions
from scipy import sparse

from recsys.models import scoring
from recsys.models.graph_filter import GraphFilter, _singular_vectors


def history() -> pl.DataFrame:
    random = np.random.default_rng(2)
    return interactions(
        [(f"u{user:02}", f"i{item:02}", 1) for user in range(60) for item in random.choice(25, 5, replace=False)]
    )


def test_scores_are_those_of_the_formula() -> None:
    frame = history()
    wide = frame.sort("user_id").pivot("item_id", index="user_id", values="rating").fill_null(0)
    x = wide.select(sorted(wide.columns[1:])).to_numpy().astype(float)
    degree, users = x.sum(axis=0), x.sum(axis=1)
    graph = x / users[:, None] ** 0.35 / np.sqrt(degree)
    vectors = np.linalg.svd(graph)[2][:6].T
    smooth = degree[:, None] ** -0.5 * (vectors @ vectors.T) * degree**0.6
    expected = x[3] @ (degree[:, None] ** -0.2 * (graph.T @ graph) * degree**0.35 + 0.4 * smooth)
    model = GraphFilter(factors=6, smooth=0.4).fit(frame, now=NOW)
    found = model.recommend(frame.filter(user_id="u03"), 25).sort("item_id")
    positive = expected > 0
    assert found["item_id"].to_list() == [f"i{item:02}" for item in np.flatnonzero(positive)]
    np.testing.assert_allclose(found["score"], expected[positive], rtol=2e-3)


def test_singular_vectors_span_the_first_ones() -> None:
    matrix = sparse.random_array((300, 200), density=0.1, rng=np.random.default_rng(1), dtype=np.float32).tocsr()
    found = _singular_vectors(matrix, 10, seed=0)
    exact = np.linalg.svd(matrix.toarray())[2][:10].T
    np.testing.assert_allclose(found.T @ found, np.eye(10), atol=1e-4)
    # Cosines of the angles between both subspaces.
    assert np.linalg.svd(found.T @ exact)[1].min() > 0.95


def test_blocks_of_users_give_what_all_at_once_give(monkeypatch: pytest.MonkeyPatch) -> None:
    model = GraphFilter(factors=6).fit(history(), now=NOW)
    whole = model.recommend(history(), 5)
    monkeypatch.setattr(scoring, "_SCORES_AT_A_TIME", 70)
    parts = model.recommend(history(), 5)
    assert parts.select("user_id", "rank").equals(whole.select("user_id", "rank"))
    np.testing.assert_allclose(parts["score"], whole["score"], rtol=1e-4)


def test_long_histories_are_cut_to_the_newest_items() -> None:
    bot = interactions([("bot", f"i{n:03}", 500 - n) for n in range(500)])
    model = GraphFilter(factors=2, max_history=10).fit(bot, now=NOW)
    assert model.size == 10


def test_dislikes_alone_weigh_nothing_where_ratings_count() -> None:
    disliked = interactions([("grump", "i00", 1), ("grump", "bad", 1), ("u01", "bad", 1)])
    frame = pl.concat([history(), disliked.with_columns(rating=pl.lit(-1.0, pl.Float32))])
    model = GraphFilter(factors=6, rating_power=1).fit(frame, now=NOW)
    assert np.isfinite(model._into).all()
    found = model.recommend(frame, 25)
    assert found.height
    assert found["score"].is_finite().all()
    assert "bad" not in found["item_id"]
    assert "grump" not in found["user_id"]

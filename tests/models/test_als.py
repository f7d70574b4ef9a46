from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.errors import BadInputError, IntegrityError, NotReadyError
from recsys.models import inner_product
from recsys.models.als import Als
from recsys.models.inner_product import EMPTY, Catalogue
from recsys.settings import AlsSettings

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SMALL = AlsSettings(factors=2, iterations=8, min_user_items=2, min_item_users=2)


def interactions(rows: list[tuple[str, str]], rating: float = 1.0) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").with_columns(
        timestamp=pl.lit(NOW - timedelta(days=1)).cast(pl.Datetime("ms", "UTC")), rating=pl.lit(rating, pl.Float32)
    )


def two_tastes(users: int = 40) -> pl.DataFrame:
    """Even users like even items, odd users odd ones: 20 items, each user 6 of their 10."""
    random = np.random.default_rng(0)
    return interactions(
        [
            (f"u{user}", f"i{2 * item + user % 2}")
            for user in range(users)
            for item in random.choice(10, 6, replace=False)
        ]
    )


@pytest.fixture(scope="module")
def model() -> Als:
    return Als(SMALL).fit(two_tastes(), now=NOW)


def test_a_user_unseen_at_fit_is_folded_in(model: Als) -> None:
    history = interactions([("new", "i2"), ("new", "i4"), ("new", "never seen")])
    best = model.recommend(history, 5)
    assert all(int(item[1:]) % 2 == 0 for item in best["item_id"])
    assert best["rank"].to_list() == [1, 2, 3, 4, 5]
    assert best["score"].is_sorted(descending=True)


def test_everyone_gets_the_list_they_would_get_alone(model: Als) -> None:
    histories = two_tastes()
    together = model.recommend(histories, 20)
    for user in ("u0", "u7", "u39"):
        alone = model.recommend(histories.filter(pl.col("user_id") == user), 20)
        same = together.filter(pl.col("user_id") == user)
        assert alone["item_id"].to_list() == same["item_id"].to_list()
        np.testing.assert_allclose(alone["score"], same["score"], rtol=1e-4)


def test_excluded_and_disallowed_items_never_come_out(model: Als) -> None:
    exclude = pl.DataFrame({"user_id": ["u0", "u0", "who"], "item_id": ["i0", "i2", "i4"]})
    best = model.recommend(two_tastes(), 20, exclude=exclude, allowed_items=["i0", "i2", "i4", "i1", "gone"])
    assert set(best.filter(pl.col("user_id") == "u0")["item_id"]) == {"i4", "i1"}
    assert set(best.filter(pl.col("user_id") == "u2")["item_id"]) == {"i0", "i2", "i4", "i1"}


def test_users_with_only_unknown_items_get_nothing(model: Als) -> None:
    assert model.recommend(interactions([("new", "x")]), 5).is_empty()
    assert model.recommend(interactions([]).cast({"user_id": pl.String, "item_id": pl.String}), 5).is_empty()
    assert model.recommend(two_tastes(), 5, allowed_items=[]).is_empty()


def test_neighbours_share_the_taste(model: Als) -> None:
    near = model.similar(["i3", "unknown"], 4)
    assert near["item_id"].unique().to_list() == ["i3"]
    assert "i3" not in near["similar_item_id"]
    assert all(int(item[1:]) % 2 for item in near["similar_item_id"])


def test_saved_and_loaded_it_says_the_same(model: Als, tmp_path: Path) -> None:
    model.save(tmp_path)
    loaded = Als.load(tmp_path)
    assert loaded.settings == model.settings
    assert loaded.recommend(two_tastes(), 7).equals(model.recommend(two_tastes(), 7))


def test_seeds_repeat() -> None:
    one, two, other = (Als(SMALL.model_copy(update={"seed": seed})).fit(two_tastes(), now=NOW) for seed in (1, 1, 2))
    assert one.recommend(two_tastes(), 5).equals(two.recommend(two_tastes(), 5))
    assert not one.recommend(two_tastes(), 5)["score"].equals(other.recommend(two_tastes(), 5)["score"])


def test_rare_users_and_items_are_not_trained_on() -> None:
    rows = two_tastes().vstack(interactions([("lone", "i0"), ("u0", "rare")]))
    assert Als(SMALL).fit(rows, now=NOW).size == 20
    with pytest.raises(BadInputError, match="min_user_items"):
        Als(SMALL).fit(interactions([("a", "x"), ("b", "y")]), now=NOW)


def test_ratings_of_many_events_neither_wrap_nor_vanish() -> None:
    """The reference kept ratings in 8 bits: 300 views wrapped to 44, and a weight of 0.1 became 0."""
    often = interactions([("fan", "i2")] * 300)
    faint = interactions([("shy", "i3")], rating=0.1)
    best = Als(SMALL).fit(two_tastes(), now=NOW).recommend(pl.concat([often, faint]), 3)
    assert all(int(item[1:]) % 2 == 0 for item in best.filter(pl.col("user_id") == "fan")["item_id"])
    assert all(int(item[1:]) % 2 == 1 for item in best.filter(pl.col("user_id") == "shy")["item_id"])
    pairs = Als(SMALL).fit(two_tastes(), now=NOW)
    views = {count: pairs.recommend(interactions([("fan", "i2")] * count), 1)["score"][0] for count in (44, 300)}
    assert views[300] > views[44]


def test_old_events_count_less(model: Als) -> None:
    old = interactions([("u", "i2")] * 3).with_columns(pl.col("timestamp") - timedelta(days=365))
    best = model.recommend(pl.concat([old, interactions([("u", "i3")])]), 3)
    assert all(int(item[1:]) % 2 == 1 for item in best["item_id"])


def test_broken_factors_are_refused(model: Als, tmp_path: Path) -> None:
    model.save(tmp_path)
    factors = np.load(tmp_path / "factors.npy")
    factors[3, 1] = np.nan
    np.save(tmp_path / "factors.npy", factors)
    with pytest.raises(IntegrityError, match="NaN or infinite"):
        Als.load(tmp_path)
    np.save(tmp_path / "factors.npy", np.ones((3, 2), np.float32))
    with pytest.raises(IntegrityError, match="3 rows of factors for 20 items"):
        Als.load(tmp_path)
    with pytest.raises(NotReadyError, match="has not been fitted"):
        Als(SMALL).recommend(two_tastes(), 5)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 12), st.booleans())
def test_the_best_items_are_exact_however_few_are_tried_first(seed: int, k: int, with_bans: bool) -> None:
    import scipy.sparse

    random = np.random.default_rng(seed)
    # Long-tailed norms, the case that lets most items go untried, and some users of zero.
    factors = (random.normal(size=(60, 4)) * random.pareto(1.0, (60, 1))).astype(np.float32)
    users = (random.normal(size=(9, 4)) * random.integers(0, 2, (9, 1))).astype(np.float32)
    bans = scipy.sparse.random(9, 60, 0.3 * with_bans, "csr", np.float32, rng=random)
    allowed = np.sort(random.choice(60, 40, replace=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inner_product, "FIRST_ITEMS", 4)
        codes, scores = Catalogue(factors, allowed).best(users, k, bans if with_bans else None)
    for user in range(9):
        possible = [item for item in allowed if bans[user, item] == 0]
        expected = sorted((float(users[user] @ factors[item]) for item in possible), reverse=True)[:k]
        found = scores[user] > EMPTY
        np.testing.assert_allclose(scores[user][found], expected[: found.sum()], rtol=1e-4, atol=1e-5)
        assert found.sum() == min(k, len(possible))
        assert set(codes[user][found]) <= set(possible)
        assert len(set(codes[user][found])) == found.sum()

"""What every model must do, whatever it is. `test_contract.py` runs each of these on each model."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from recsys.errors import BadInputError, NotReadyError
from recsys.models.base import INTERACTIONS, NEIGHBOURS, RECOMMENDATIONS, Recommender

NOW = datetime(2024, 6, 1, tzinfo=UTC)

Make = Callable[[], Recommender]


def interactions(rows: list[tuple[str, str, float]]) -> pl.DataFrame:
    """Events from `user, item, days before NOW`, each of rating 1."""
    full = [(user, item, NOW - timedelta(days=age), 1.0) for user, item, age in rows]
    return pl.DataFrame(full, INTERACTIONS, orient="row")


# Two tastes: users a* like the items x*, users b* the items y*; some have a single event.
SHOP = interactions(
    [(f"a{n}", f"x{(n + step) % 6}", 9 - step) for n in range(12) for step in range(4)]
    + [(f"b{n}", f"y{(n + step) % 6}", 9 - step) for n in range(12) for step in range(4)]
    + [("single", "x1", 3)]
)
# The same with many events at odd moments, whose weights add up to sums that depend on their order.
_ODD = np.random.default_rng(0)
BUSY_SHOP = pl.concat([SHOP] * 30).with_columns(
    timestamp=NOW - pl.duration(milliseconds=pl.Series(_ODD.integers(0, 10**10, 30 * SHOP.height))),
    rating=pl.Series(_ODD.random(30 * SHOP.height, np.float32)),
)
ITEMS = sorted(SHOP["item_id"].unique())


def fitted(make: Make) -> Recommender:
    return make().fit(SHOP, now=NOW)


def lists_are_ranked_and_typed(make: Make, folder: Path) -> None:
    found = fitted(make).recommend(SHOP, 5)
    assert found.schema == RECOMMENDATIONS
    assert found["user_id"].n_unique() == SHOP["user_id"].n_unique()
    assert found.equals(found.sort("user_id", "rank"))
    for _, rows in found.group_by("user_id"):
        assert rows["rank"].to_list() == list(range(1, rows.height + 1))
        assert rows["score"].is_sorted(descending=True)
        assert rows["item_id"].is_unique().all()
        assert rows.height <= 5


def excluded_pairs_never_come(make: Make, folder: Path) -> None:
    seen = SHOP.select("user_id", "item_id")
    found = fitted(make).recommend(SHOP, 20, exclude=seen)
    assert not found.is_empty()
    assert found.join(seen, on=["user_id", "item_id"]).is_empty()


def only_allowed_items_come(make: Make, folder: Path) -> None:
    found = fitted(make).recommend(SHOP, 20, allowed_items=["x1", "x2", "y1", "unheard of"])
    assert set(found["item_id"]) == {"x1", "x2", "y1"}
    assert fitted(make).recommend(SHOP, 20, allowed_items=[]).is_empty()


def neighbours_are_ranked_and_never_the_item_itself(make: Make, folder: Path) -> None:
    found = fitted(make).similar([*ITEMS, "unheard of"], 3)
    assert found.schema == NEIGHBOURS
    assert sorted(found["item_id"].unique()) == ITEMS
    assert found.filter(pl.col("item_id") == pl.col("similar_item_id")).is_empty()
    assert found.equals(found.sort("item_id", "rank"))
    assert found["rank"].max() == 3
    assert fitted(make).similar(["unheard of"], 3).schema == NEIGHBOURS


def a_loaded_model_answers_the_same(make: Make, folder: Path) -> None:
    model = fitted(make)
    model.save(folder)
    loaded = type(model).load(folder)
    assert_frame_equal(loaded.recommend(SHOP, 5), model.recommend(SHOP, 5))
    assert_frame_equal(loaded.similar(ITEMS, 5), model.similar(ITEMS, 5))


def an_unseen_user_is_folded_in(make: Make, folder: Path) -> None:
    model = fitted(make)
    old = SHOP.filter(user_id="a1")
    new = old.with_columns(user_id=pl.lit("never seen"))
    assert model.recommend(new, 5)["item_id"].to_list() == model.recommend(old, 5)["item_id"].to_list()


def users_do_not_touch_each_other(make: Make, folder: Path) -> None:
    model = fitted(make)
    together = model.recommend(SHOP, 5)
    for user in ("a1", "b7", "single"):
        alone = model.recommend(SHOP.filter(user_id=user), 5)
        assert alone["item_id"].to_list() == together.filter(user_id=user)["item_id"].to_list()


def empty_and_single_event_histories_work(make: Make, folder: Path) -> None:
    model = fitted(make)
    assert model.recommend(SHOP.clear(), 5).schema == RECOMMENDATIONS
    assert model.recommend(SHOP.clear(), 5).is_empty()
    assert model.recommend(SHOP.filter(user_id="single"), 5)["user_id"].unique().to_list() == ["single"]


def new_ids_never_break_it(make: Make, folder: Path) -> None:
    """Of the reference: label encoders that fail on an id they have not seen."""
    model = fitted(make)
    strange = interactions([("new user", "new item", 1), ("a1", "new item", 0), ("a1", "x1", 2)])
    found = model.recommend(strange, 5, exclude=pl.DataFrame({"user_id": ["who"], "item_id": ["what"]}))
    assert "new item" not in set(found["item_id"])
    assert not found.filter(user_id="a1").is_empty()


def the_same_data_give_the_same_model(make: Make, folder: Path) -> None:
    """To the last bit, in whatever order the events come and on however many threads they are added."""
    model = make().fit(BUSY_SHOP, now=NOW)
    for seed in range(3):
        shuffled = BUSY_SHOP.sample(fraction=1, shuffle=True, seed=seed)
        again = make().fit(shuffled, now=NOW)
        assert again.recommend(shuffled, 5).equals(model.recommend(BUSY_SHOP, 5))
        assert again.similar(ITEMS, 5).equals(model.similar(ITEMS, 5))


def nothing_works_before_fit(make: Make, folder: Path) -> None:
    for call in (lambda m: m.recommend(SHOP, 5), lambda m: m.similar(["x1"], 5), lambda m: m.save(folder)):
        with pytest.raises(NotReadyError, match="has not been fitted"):
            call(make())


def unusable_interactions_are_refused(make: Make, folder: Path) -> None:
    """Of the reference: 8-bit ratings that wrap."""
    with pytest.raises(BadInputError, match=r"rating \(Int8\)"):
        make().fit(SHOP.cast({"rating": pl.Int8}), now=NOW)
    with pytest.raises(BadInputError, match=r"item_id \(missing\)"):
        make().fit(SHOP.drop("item_id"), now=NOW)
    with pytest.raises(BadInputError, match="no interaction"):
        make().fit(SHOP.clear(), now=NOW)


CONTRACT = [
    lists_are_ranked_and_typed,
    excluded_pairs_never_come,
    only_allowed_items_come,
    neighbours_are_ranked_and_never_the_item_itself,
    a_loaded_model_answers_the_same,
    an_unseen_user_is_folded_in,
    users_do_not_touch_each_other,
    empty_and_single_event_histories_work,
    new_ids_never_break_it,
    the_same_data_give_the_same_model,
    nothing_works_before_fit,
    unusable_interactions_are_refused,
]

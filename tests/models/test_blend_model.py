from pathlib import Path

import polars as pl
import pytest
from contract import ITEMS, NOW, SHOP
from polars.testing import assert_frame_equal

from recsys.errors import BadInputError
from recsys.models import blend
from recsys.models.blend import Blend
from recsys.models.ease import Ease
from recsys.models.item_to_item import ItemToItem
from recsys.models.popularity import Popularity

SEEN = SHOP.select("user_id", "item_id")


@pytest.fixture(scope="module")
def parts() -> dict[str, Ease | ItemToItem]:
    return {"ease": Ease(regularization=1.0).fit(SHOP, now=NOW), "i2i": ItemToItem().fit(SHOP, now=NOW)}


def test_a_weight_of_zero_leaves_the_other_part_alone(parts: dict[str, Ease | ItemToItem]) -> None:
    alone = parts["i2i"].recommend(SHOP, 4, exclude=SEEN)
    blended = Blend(parts, {"ease": 0.0, "i2i": 3.0}).recommend(SHOP, 4, exclude=SEEN)
    # Equal scores are in order of item id in a blend.
    assert_frame_equal(
        blended.select("user_id", "rank", "item_id").sort("user_id", "item_id").drop("rank"),
        alone.select("user_id", "rank", "item_id").sort("user_id", "item_id").drop("rank"),
    )


def test_scores_are_shares_of_each_parts_best_summed_by_weight(parts: dict[str, Ease | ItemToItem]) -> None:
    me = SHOP.filter(user_id="a1")
    blended = Blend(parts, {"ease": 2.0, "i2i": 0.5}).recommend(me, 50)
    expected: dict[str, float] = {}
    for name, weight in (("ease", 2.0), ("i2i", 0.5)):
        found = parts[name].recommend(me, 50)
        for item, score in found.select("item_id", pl.col("score") / found["score"].max()).iter_rows():
            expected[item] = expected.get(item, 0.0) + weight * score
    assert dict(blended.select("item_id", "score").iter_rows()) == pytest.approx(expected, rel=1e-4)


def test_weights_are_learnt_and_only_get_better() -> None:
    """One part knows the answer, the other does not: the weights must find out, starting from equal ones."""
    truth = pl.DataFrame({"user_id": ["a0", "b0"], "item_id": ["x4", "y4"]})

    def quality(found: pl.DataFrame) -> float:
        hits = found.join(truth, on=["user_id", "item_id"])
        return float((1.0 / hits["rank"]).sum())

    past = SHOP.filter(pl.col("user_id").is_in(["a0", "b0"]))
    wrong = SHOP.filter(~pl.col("item_id").is_in(["x4", "y4"]))
    model = Blend({"knows": Ease(regularization=1.0).fit(SHOP, now=NOW), "misleads": Popularity().fit(wrong, now=NOW)})
    before = quality(model.recommend(past, 5, exclude=SEEN))
    learnt = model.learn_weights(past, quality, 5, exclude=SEEN)
    assert learnt > before
    assert model.weights["knows"] > model.weights["misleads"]
    assert quality(model.recommend(past, 5, exclude=SEEN)) == pytest.approx(learnt)


def test_users_in_parts_get_what_all_get(parts: dict[str, Ease | ItemToItem], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Blend(parts).recommend(SHOP, 5, exclude=SEEN)
    monkeypatch.setattr(blend, "_USERS_AT_A_TIME", 4)
    assert_frame_equal(Blend(parts).recommend(SHOP, 5, exclude=SEEN), whole)


def test_weights_come_back_with_the_parts(parts: dict[str, Ease | ItemToItem], tmp_path: Path) -> None:
    model = Blend(parts, {"ease": 0.25, "i2i": 1.0}, depth=17)
    model.save(tmp_path)
    loaded = Blend.load(tmp_path)
    assert (loaded.weights, loaded.depth) == (model.weights, 17)
    assert_frame_equal(loaded.similar(ITEMS, 3), model.similar(ITEMS, 3))


@pytest.mark.parametrize("weights", [{"ease": 1.0}, {"ease": 0.0, "i2i": 0.0}, {"ease": -1.0, "i2i": 1.0}])
def test_weights_that_make_no_sense_are_refused(parts: dict[str, Ease | ItemToItem], weights: dict[str, float]) -> None:
    with pytest.raises(BadInputError, match=r"A blend of \['ease', 'i2i'\] cannot have the weights"):
        Blend(parts, weights)

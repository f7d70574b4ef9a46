import pytest
from contract import ITEMS, NOW, SHOP

from recsys.errors import BadInputError
from recsys.models.dummy import Dummy
from recsys.models.selection import Selection


def test_a_selection_is_in_order_of_its_weights_whatever_shoppers_did() -> None:
    model = Selection({"x2": 1.0, "not in the data": 3.0, "y1": 2.0}).fit(SHOP, now=NOW)
    found = model.recommend(SHOP.filter(user_id="a1"), 5)
    assert found["item_id"].to_list() == ["not in the data", "y1", "x2"]
    assert found["score"].to_list() == [3.0, 2.0, 1.0]


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_weights_that_make_no_sense_are_refused(weight: float) -> None:
    with pytest.raises(BadInputError, match="cannot have the weights x1: "):
        Selection({"x1": weight, "x2": 1.0})


def test_an_empty_selection_is_refused() -> None:
    with pytest.raises(BadInputError, match="names no item"):
        Selection().fit(SHOP, now=NOW)


def test_lots_are_drawn_anew_with_another_seed() -> None:
    one, two = (Dummy(seed=seed).fit(SHOP, now=NOW).recommend(SHOP, 50)["item_id"].to_list() for seed in (1, 2))
    assert one != two
    assert set(one) == set(two) == set(ITEMS)

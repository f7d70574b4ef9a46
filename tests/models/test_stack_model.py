from pathlib import Path

import numpy as np
import polars as pl
import pytest
from contract import NOW, SHOP, interactions

from recsys.models import blend
from recsys.models.dummy import Dummy
from recsys.models.item_to_item import ItemToItem
from recsys.models.stack import Stack


def walks(users: int, seed: int) -> pl.DataFrame:
    """Everyone walks from one item to the next of 30, with a stray item now and then."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        start = int(random.integers(30))
        path = [(start + step) % 30 if random.random() < 0.9 else int(random.integers(30)) for step in range(6)]
        rows += [(f"s{seed}u{user:03}", f"i{item:02}", 10.0 - step) for step, item in enumerate(dict.fromkeys(path))]
    return interactions(rows)


def hits(model: Stack | Dummy | ItemToItem, frame: pl.DataFrame) -> float:
    asked = frame.sort("user_id", "timestamp").unique("user_id", keep="last")
    past = frame.join(asked, on=["user_id", "item_id"], how="anti")
    found = model.recommend(past, 1, exclude=past)
    return found.join(asked, on=["user_id", "item_id"]).height / asked.height


def test_the_ranker_learns_which_part_is_right() -> None:
    """Blended alike, the lot spoils the order; the ranker finds out that it says nothing."""
    model = Stack({"lot": Dummy(), "item_to_item": ItemToItem()}, iterations=50).fit(walks(400, 1), now=NOW)
    learnt = hits(model, walks(200, 2))
    model._ranker = None
    assert learnt > 1.3 * hits(model, walks(200, 2))
    assert learnt > 0.7


def test_the_parts_know_the_last_items_too_in_the_end() -> None:
    frame = pl.concat([walks(50, 1), interactions([(f"z{n}", item, day) for n in range(5) for item, day in
                                                   (("i00", 2.0), ("only last", 1.0))])])  # fmt: skip
    model = Stack({"item_to_item": ItemToItem()}, iterations=5).fit(frame, now=NOW)
    assert "only last" in model.similar(["i00"], 50)["similar_item_id"].to_list()


def test_without_anything_to_learn_from_the_order_is_the_blends(tmp_path: Path) -> None:
    single = interactions([(f"u{n}", f"i{n}", 1.0) for n in range(4)])
    model = Stack({"lot": Dummy()}).fit(single, now=NOW)
    found = model.recommend(single, 4)
    assert found.height == 16
    model.save(tmp_path)
    assert Stack.load(tmp_path).recommend(single, 4).equals(found)


def test_users_in_parts_get_what_all_get(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Stack({"item_to_item": ItemToItem()}, iterations=5).fit(SHOP, now=NOW)
    whole = model.recommend(SHOP, 5)
    monkeypatch.setattr(blend, "_USERS_AT_A_TIME", 4)
    assert model.recommend(SHOP, 5).equals(whole)

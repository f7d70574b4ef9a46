import math
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lists import interactions, pairs, scored

from recsys.evaluation.beyond import Catalogue
from recsys.evaluation.datasets.base import EvaluationData
from recsys.evaluation.judging import Lists

HISTORY = interactions([("a", "x", 0), ("a", "y", 0), ("b", "x", 0), ("c", "x", 0), ("d", "z", 0), ("d", "x", 1)])
ITEMS = pl.DataFrame({"item_id": ["w", "x", "y", "z"]})
ATTRIBUTES = {"w": {"red", "big"}, "x": {"red"}, "y": {"blue"}, "z": set()}


def catalogue(described: bool = True) -> Catalogue:
    rows = [(item, name) for item, names in ATTRIBUTES.items() for name in names] if described else []
    attributes = pl.DataFrame(rows, schema={"item_id": pl.String, "attribute": pl.String}, orient="row")
    return Catalogue(EvaluationData("shop", ("time",), HISTORY, ITEMS, attributes=attributes), HISTORY)


def shown(lists: dict[str, list[str]], users: list[str]) -> Lists:
    items = scored({user: [(item, -float(at)) for at, item in enumerate(names)] for user, names in lists.items()})
    frame = pl.DataFrame({"user_id": users})
    return Lists(frame, HISTORY.join(frame, on="user_id", how="semi"), pairs([]), items, 0.0)


def cosine(one: set[str], other: set[str]) -> float:
    return len(one & other) / math.sqrt(len(one) * len(other)) if one and other else 0.0


@settings(deadline=None, max_examples=60)
@given(st.permutations(["w", "x", "y", "z"]), st.integers(0, 4), st.integers(1, 4))
def test_metrics_agree_with_a_loop(order: list[str], length: int, k: int) -> None:
    found = catalogue().measure(shown({"a": order[:length]}, ["a", "b"]), [k])
    row = found.row(0, named=True)
    listed = order[:length][:k]
    share = {"x": 4 / 4, "y": 1 / 4, "z": 1 / 4, "w": 1 / 4}
    assert row["user_coverage@" + str(k)] == float(len(listed) == k)
    if not listed:
        assert row[f"novelty@{k}"] is None
        return
    assert row[f"novelty@{k}"] == pytest.approx(np.mean([-math.log2(share[item]) for item in listed]))
    lift = np.mean([share[item] for item in listed]) / np.mean([share["x"], share["y"]])
    assert row[f"popularity_bias@{k}"] == pytest.approx(math.log2(lift))
    distances = [1 - cosine(ATTRIBUTES[one], ATTRIBUTES[other]) for one, other in combinations(listed, 2)]
    if distances:
        assert row[f"diversity@{k}"] == pytest.approx(np.mean(distances))
    else:
        assert row[f"diversity@{k}"] is None


def test_users_without_a_list_have_only_a_coverage() -> None:
    row = catalogue().measure(shown({"a": ["x"]}, ["a", "b"]), [1]).row(1, named=True)
    assert row["user_coverage@1"] == 0
    assert [row[f"{name}@1"] for name in ("novelty", "diversity", "popularity_bias")] == [None, None, None]


def test_items_that_the_catalogue_lacks_do_not_count() -> None:
    known = catalogue().measure(shown({"a": ["x", "y"]}, ["a"]), [3])
    odd = catalogue().measure(shown({"a": ["x", "unheard of", "y"]}, ["a"]), [3])
    assert known.equals(odd)


def test_without_attributes_items_are_alike_if_the_same_users_know_them() -> None:
    random = np.random.default_rng(3)
    rows = [(f"u{user}", f"i{item}", 0.0) for user in range(300) for item in range(12) if random.random() < 0.3]
    history = interactions(rows)
    items = sorted(history["item_id"].unique())
    data = EvaluationData("shop", ("time",), history, pl.DataFrame({"item_id": items}))
    users = {item: set(history.filter(item_id=item)["user_id"]) for item in items}
    frame = pl.DataFrame({"user_id": ["u"]})
    lists = Lists(frame, history.clear(), pairs([]), scored({"u": [(item, 1.0) for item in items]}), 0.0)
    found = Catalogue(data, history).measure(lists, [12])["diversity@12"].item()
    exact = np.mean([1 - cosine(users[one], users[other]) for one, other in combinations(items, 2)])
    assert found == pytest.approx(exact, abs=0.03)

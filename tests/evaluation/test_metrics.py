import math

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recsys.errors import BadInputError, ConfigurationError
from recsys.evaluation.metrics import evaluate, parse_metric


def lists(**items: list[str]) -> pl.DataFrame:
    rows = [(user, item, rank) for user, names in items.items() for rank, item in enumerate(names, 1)]
    return pl.DataFrame(rows, schema={"user_id": pl.String, "item_id": pl.String, "rank": pl.UInt32}, orient="row")


def truth(**items: list[str]) -> pl.DataFrame:
    return lists(**items).drop("rank")


def test_values_by_hand() -> None:
    found = evaluate(
        lists(ann=["a", "b", "c"], bob=["x", "y", "z"], eve=["a"]),
        truth(ann=["a", "c", "q", "r"], bob=["q"]),
        ["precision@3", "recall@3", "hit_rate@3", "ndcg@3", "ndcg@1"],
    )
    assert found.users == 2
    ann = (1 + 1 / 2) / (1 + 1 / math.log2(3) + 1 / 2)
    assert found.per_user.row(0) == pytest.approx(("ann", 2 / 3, 2 / 4, 1, ann, 1))
    assert found.per_user.row(1) == ("bob", 0, 0, 0, 0, 0)
    assert found.values["ndcg@3"] == pytest.approx(ann / 2)


def test_a_user_without_a_list_counts_as_zero() -> None:
    found = evaluate(lists(ann=["a"]), truth(ann=["a"], bob=["a"], cyd=["a"], dan=["a"]), ["recall@10"])
    assert (found.users, found.values["recall@10"]) == (4, 0.25)


def test_repeated_truth_counts_once() -> None:
    assert evaluate(lists(ann=["a"]), truth(ann=["a", "a"]), ["recall@1"]).values == {"recall@1": 1.0}


def test_nobody_to_judge_gives_zero_users() -> None:
    found = evaluate(lists(ann=["a"]), truth(ann=[]), ["ndcg@10"])
    assert (found.users, found.values) == (0, {"ndcg@10": 0.0})


def test_a_list_with_an_item_twice_is_refused() -> None:
    with pytest.raises(BadInputError, match="an item twice"):
        evaluate(lists(ann=["a", "a"]), truth(ann=["a"]), ["ndcg@10"])


@pytest.mark.parametrize("name", ["ndcg", "fame@10", "ndcg@0", "ndcg@ten", "ndcg@-1", ""])
def test_unknown_metrics_list_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigurationError, match="precision, recall, hit_rate, ndcg"):
        parse_metric(name)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1), st.integers(1, 12))
def test_ndcg_agrees_with_scikit_learn(order: list[int], relevant: set[int], k: int) -> None:
    found = evaluate(lists(u=[str(item) for item in order]), truth(u=[str(item) for item in relevant]), [f"ndcg@{k}"])
    gains = [[float(item in relevant) for item in order]]
    assert found.values[f"ndcg@{k}"] == pytest.approx(ndcg_score(gains, [list(range(12, 0, -1))], k=k))

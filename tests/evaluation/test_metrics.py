import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score, precision_score, recall_score

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


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.permutations(range(12)), st.sets(st.integers(0, 11), min_size=1)), min_size=1, max_size=5),
    st.integers(1, 12),
)
def test_all_metrics_agree_with_scikit_learn(users: list[tuple[list[int], set[int]]], k: int) -> None:
    """On random lists of several users. MAP is scikit-learn's where the list ends with the catalogue."""
    shown = {f"u{user}": [str(item) for item in order] for user, (order, _) in enumerate(users)}
    right = {f"u{user}": [str(item) for item in relevant] for user, (_, relevant) in enumerate(users)}
    names = [f"precision@{k}", f"recall@{k}", f"hit_rate@{k}", f"ndcg@{k}", "map@12", f"mrr@{k}"]
    found = evaluate(lists(**shown), truth(**right), names).values

    labels = np.array([[item in relevant for item in range(12)] for _, relevant in users]).astype(int)
    scores = np.array([[12 - order.index(item) for item in range(12)] for order, _ in users])
    listed = (scores > 12 - k).astype(int)
    first = (labels * scores == (labels * scores).max(axis=1, keepdims=True)).astype(int)
    assert found[f"ndcg@{k}"] == pytest.approx(ndcg_score(labels, scores, k=k))
    # k items are listed, never none, so there is nothing to divide by zero.
    assert found[f"precision@{k}"] == pytest.approx(precision_score(labels, listed, average="samples"))
    assert found[f"recall@{k}"] == pytest.approx(recall_score(labels, listed, average="samples"))
    assert found[f"hit_rate@{k}"] == pytest.approx(recall_score(first, listed, average="samples"))
    assert found["map@12"] == pytest.approx(label_ranking_average_precision_score(labels, scores))
    # Of the first hit alone, average precision is the reciprocal of its place; below k it does not count.
    reciprocal = [
        label_ranking_average_precision_score([row], [score]) * (row & shown_).sum()
        for row, score, shown_ in zip(first, scores, listed, strict=True)
    ]
    assert found[f"mrr@{k}"] == pytest.approx(np.mean(reciprocal))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 4), min_size=12, max_size=12), st.sets(st.integers(0, 11), min_size=1))
def test_ties_are_judged_by_the_worst_order_that_they_allow(scores: list[int], relevant: set[int]) -> None:
    """Scikit-learn averages over a tie; over its orders the worst is what counts here."""
    order = sorted(range(12), key=lambda item: -scores[item])
    rows = [("u", str(item), float(scores[item]), rank) for rank, item in enumerate(order, 1)]
    schema = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float32, "rank": pl.UInt32}
    tied = pl.DataFrame(rows, schema=schema, orient="row")
    labels = [float(item in relevant) for item in range(12)]
    worst = [scores[item] - 0.1 * labels[item] for item in range(12)]
    found = evaluate(tied, truth(u=[str(item) for item in relevant]), ["ndcg@12"]).values["ndcg@12"]
    assert found == pytest.approx(ndcg_score([labels], [worst], k=12, ignore_ties=True))
    assert found <= ndcg_score([labels], [scores], k=12) + 1e-9

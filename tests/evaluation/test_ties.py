"""Metrics against a naive loop written from their definitions, on lists with ties."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lists import pairs, scored

from recsys.evaluation.metrics import METRICS, evaluate

ITEMS = [f"i{n}" for n in range(12)]


def naive(ranked: list[bool], relevant: int, k: int) -> dict[str, float]:
    """Metrics of one list, given which places hold a hit."""
    hits = [place for place, hit in enumerate(ranked[:k], 1) if hit]
    best = min(relevant, k)
    ideal = sum(1 / math.log2(place + 1) for place in range(1, best + 1))
    return {
        "precision": len(hits) / k,
        "recall": len(hits) / relevant,
        "hit_rate": float(bool(hits)),
        "ndcg": sum(1 / math.log2(place + 1) for place in hits) / ideal,
        "map": sum(number / place for number, place in enumerate(hits, 1)) / best,
        "mrr": 1 / hits[0] if hits else 0.0,
    }


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 4), min_size=1),
    st.sets(st.sampled_from(ITEMS), min_size=1),
    st.integers(1, 13),
)
def test_all_metrics_agree_with_a_loop_over_the_worst_order(scores: dict[str, int], relevant: set[str], k: int) -> None:
    ordered = sorted(scores.items(), key=lambda entry: -entry[1])
    # One item more than the cutoff is given, as a model is asked for; what ties with it may go on below.
    given_items = ordered[: k + 1]
    cut_score = given_items[k][1] if len(given_items) > k else None
    worst = sorted(given_items, key=lambda entry: (-entry[1], entry[0] in relevant))
    hits = [item in relevant and score != cut_score for item, score in worst]
    found = evaluate(
        scored({"u": [(item, float(score)) for item, score in given_items]}),
        pairs([("u", item) for item in relevant]),
        [f"{metric}@{k}" for metric in METRICS],
    )
    expected = naive(hits, len(relevant), k)
    assert found.values == pytest.approx({f"{metric}@{k}": value for metric, value in expected.items()})


def test_a_model_without_an_opinion_finds_nothing() -> None:
    same = scored({"u": [(item, 1.0) for item in ITEMS]})
    found = evaluate(same, pairs([("u", "i0")]), ["hit_rate@10", "ndcg@10"])
    assert found.values == {"hit_rate@10": 0.0, "ndcg@10": 0.0}


def test_ties_between_misses_cost_nothing() -> None:
    lists = scored({"u": [("hit", 2.0), ("a", 1.0), ("b", 1.0), ("c", 1.0)]})
    assert evaluate(lists, pairs([("u", "hit")]), ["mrr@3"]).values == {"mrr@3": 1.0}


def test_a_tie_that_may_go_on_below_the_cutoff_counts_as_missed() -> None:
    lists = scored({"u": [("a", 1.0), ("b", 1.0), ("c", 1.0)]})
    relevant = pairs([("u", "a"), ("u", "b"), ("u", "c")])
    assert evaluate(lists, relevant, ["precision@2"]).values == {"precision@2": 0.0}
    assert evaluate(lists, relevant, ["precision@3"]).values == {"precision@3": 1.0}

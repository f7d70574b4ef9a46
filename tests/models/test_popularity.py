from datetime import timedelta

import polars as pl
import pytest
from contract import NOW, interactions

from recsys.models.popularity import best_by_category, popularity, with_scores


def test_an_event_counts_half_after_a_half_life() -> None:
    events = interactions([("u", "a", 0), ("u", "b", 7), ("v", "b", 14), ("w", "c", 7)])
    scores = popularity(events.lazy(), now=NOW, half_life_days=7)
    assert scores.rows() == [("a", 1.0), ("b", 0.75), ("c", 0.5)]
    later = popularity(events.lazy(), now=NOW + timedelta(days=7), half_life_days=7)
    assert later["score"].to_list() == pytest.approx([0.5, 0.375, 0.25])


def test_ratings_weigh_and_many_of_them_do_not_wrap() -> None:
    """Of the reference: sums of 8-bit ratings wrapped above 127, and a weight of 0.1 became 0."""
    events = interactions([("u", "many", 0)] * 100 + [("u", "few", 0)] * 30).with_columns(
        rating=pl.lit(5.0, pl.Float32)
    )
    assert popularity(events.lazy(), now=NOW, half_life_days=7).rows() == [("many", 500.0), ("few", 150.0)]


def test_a_rating_below_one_counts() -> None:
    events = interactions([("u", "a", 0)]).with_columns(rating=pl.lit(0.1, pl.Float32))
    assert popularity(events.lazy(), now=NOW, half_life_days=7)["score"].to_list() == pytest.approx([0.1])


def test_a_category_lists_its_descendants_items_too() -> None:
    scores = pl.DataFrame({"item_id": ["a", "b", "gone"], "score": [3.0, 2.0, 9.0]})
    items = pl.DataFrame({"item_id": ["z", "a", "b", "y"], "category_id": ["child", "child", "root", None]})
    categories = pl.DataFrame(
        {"category_id": ["root", "child", "bare"], "path": [["root"], ["child", "root"], ["bare"]]}
    )
    found = best_by_category(scores, items, categories, 2)
    assert found.select("category_id", "item_id", "score", "rank").rows() == [
        ("child", "a", 3.0, 1),
        ("child", "z", 0.0, 2),
        ("root", "a", 3.0, 1),
        ("root", "b", 2.0, 2),
    ]


def test_items_without_events_follow_in_order_of_id() -> None:
    scores = pl.DataFrame({"item_id": ["m"], "score": [1.0]})
    assert with_scores(scores, pl.DataFrame({"item_id": ["b", "m", "a"]}))["item_id"].to_list() == ["m", "a", "b"]

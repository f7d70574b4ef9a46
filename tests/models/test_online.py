import subprocess
import sys

import pytest

from recsys.models.online import history_weight, recommend_from_history

TABLE = {"a": [("b", 0.5), ("c", 0.4), ("fill", 0.0)], "b": [("c", 0.4), ("a", 0.1)]}


def similar(item_id: str) -> list[tuple[str, float]]:
    return TABLE.get(item_id, [])


def test_newer_counts_more() -> None:
    assert history_weight(0, 0, 7) == 1
    assert history_weight(1, 0, 7) < 1
    assert history_weight(1, 7, 7) == history_weight(1, 0, 7) / 2


def test_fillers_unknown_items_and_exclusions_do_not_come_out() -> None:
    found = recommend_from_history([("a", 5), ("?", 5)], similar, 10, half_life_days=7, exclude={"b"})
    assert [tuple(entry) for entry in found] == [("c", 0.4, "a")]


def test_contributions_add_up() -> None:
    found = recommend_from_history([("b", 5), ("a", 4)], similar, 10, half_life_days=1e9)
    assert found[0].item_id == "c"
    assert found[0].score == pytest.approx(0.4 + 0.4 * history_weight(1, 0, 7))
    assert found[0].based_on == "b"


def test_items_of_one_moment_count_alike() -> None:
    found = recommend_from_history([("?", 9), ("b", 5), ("a", 5)], similar, 10, half_life_days=1e9)
    assert found[0].score == pytest.approx(0.8 * history_weight(1, 0, 7))


def test_what_is_disliked_pushes_away_what_is_like_it() -> None:
    def scores(*disliked: str) -> dict[str, float]:
        found = recommend_from_history([("a", 5)], similar, 10, half_life_days=7, disliked=disliked)
        return {item_id: round(score, 6) for item_id, score, _ in found}

    assert scores() == {"b": 0.5, "c": 0.4}
    assert scores("b") == {"b": 0.5}, "c is as like b as it is like a"
    assert scores("a") == {}
    assert scores("unknown") == scores()


def test_no_history_gives_nothing() -> None:
    assert recommend_from_history([], similar, 10, half_life_days=7) == []


def test_the_service_can_import_it_without_heavy_libraries() -> None:
    heavy = "{'numpy', 'polars', 'scipy', 'pandas'}"
    check = (
        f"import sys, recsys.models.online; found = {heavy} & set(sys.modules); sys.exit(str(found) if found else 0)"
    )
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.models.category_fill import CategoryFill
from recsys.models.id_map import UNKNOWN, IdMap

ITEMS = pl.DataFrame(
    {"item_id": ["a", "b", "c", "d", "e", "f"], "category_id": ["leaf", "leaf", "leaf", "root", "far", None]}
)
CATALOGUE = IdMap(ITEMS["item_id"])
SCORES = pl.DataFrame({"item_id": ["e", "d", "c"], "score": [9.0, 5.0, 3.0]})
CATEGORIES = pl.DataFrame(
    {"category_id": ["far", "leaf", "root", "bare"], "path": [["far"], ["leaf", "root"], ["root"], ["bare", "root"]]}
)


def complete(owner: str, category: str | None, own: list[str], size: int = 4) -> list[tuple[str, int, str | None]]:
    fill = CategoryFill(CATALOGUE, ITEMS, SCORES, CATEGORIES, size)
    padded = np.full((1, size), UNKNOWN, np.int32)
    padded[0, : len(own)] = CATALOGUE.codes(pl.Series(own, dtype=pl.String))
    found = fill.complete(padded, CATALOGUE.codes(pl.Series([owner])), pl.Series([category], dtype=pl.String))
    sources = [None if code == UNKNOWN else fill.categories.names(np.array([code]))[0] for code in found.category]
    return list(zip(CATALOGUE.names(found.item), found.place.tolist(), sources, strict=True))


def test_own_entries_first_then_the_category_its_ancestors_and_the_shop() -> None:
    assert complete("a", "leaf", ["f"], size=5) == [
        ("f", 0, None),
        ("c", -1, "leaf"),
        ("b", -1, "leaf"),
        ("d", -1, "root"),
        ("e", -1, ""),
    ]


@pytest.mark.parametrize(("category", "source"), [("bare", "root"), (None, "")])
def test_an_empty_or_missing_category_fills_from_above(category: str | None, source: str) -> None:
    assert complete("f", category, [])[0][2] == source


@given(
    st.sampled_from(ITEMS["item_id"].to_list()),
    st.sampled_from(["leaf", "root", "far", "bare", None]),
    st.permutations(ITEMS["item_id"].to_list()),
    st.integers(0, 4),
)
def test_a_list_is_full_without_repetition_or_its_owner(
    owner: str, category: str | None, others: list[str], own: int
) -> None:
    given_entries = [item for item in others if item != owner][:own]
    found = complete(owner, category, given_entries)
    items = [item for item, _, _ in found]
    assert items[: len(given_entries)] == given_entries
    assert owner not in items
    assert len(items) == len(set(items)) == 4

"""The category tree as rules ask for it."""

from hypothesis import given
from hypothesis import strategies as st

from recsys.placements.categories import CategoryTree

NAMES = st.sampled_from("abcdef")


def test_paths_and_descendants() -> None:
    tree = CategoryTree({"boots": "shoes", "sandals": "shoes", "shoes": None, "rubber": "boots"})
    assert tree.path("rubber") == ("rubber", "boots", "shoes")
    assert tree.below("shoes") == ["shoes", "boots", "sandals", "rubber"]
    assert tree.is_below("rubber", {"shoes"})
    assert not tree.is_below("shoes", {"boots"})
    assert not tree.is_below(None, {"shoes"})
    assert "shoes" in tree
    assert "hats" not in tree
    assert tree.below("hats") == ["hats"]


@given(st.dictionaries(NAMES, st.none() | NAMES))
def test_any_tree_even_with_cycles_ends(parents: dict[str, str | None]) -> None:
    tree = CategoryTree(parents)
    for category in "abcdef":
        below = tree.below(category)
        assert len(below) == len(set(below))
        assert all(category in tree.path(each) for each in below)

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from recsys.dataset.categories import category_paths
from recsys.dataset.raw import RAW_TREE

NAMES = st.sampled_from("abcdef")


def paths(rows: list[tuple[str, str | None]], used: list[str] = []) -> tuple[dict[str, list[str]], int]:  # noqa: B006
    found, cycles = category_paths(pl.DataFrame(rows, RAW_TREE, orient="row"), pl.Series(used, dtype=pl.String))
    return dict(found.select("category_id", "path").iter_rows()), cycles


def test_paths_lead_from_a_category_to_its_root() -> None:
    found, cycles = paths([("1", None), ("2", "1"), ("3", "2"), ("4", "missing")], used=["5"])
    assert found == {
        "1": ["1"],
        "2": ["2", "1"],
        "3": ["3", "2", "1"],
        "4": ["4", "missing"],
        "5": ["5"],
        "missing": ["missing"],
    }
    assert cycles == 0


def test_a_cycle_is_opened_and_counted() -> None:
    found, cycles = paths([("1", "2"), ("2", "3"), ("3", "1"), ("4", "2")])
    assert cycles == 1
    assert sorted(map(len, found.values())) == [1, 2, 3, 3]


def test_a_deep_chain_is_no_problem() -> None:
    found, _ = paths([(str(n), str(n + 1)) for n in range(3_000)])
    assert len(found["0"]) == 3_001


@given(st.dictionaries(NAMES, st.none() | NAMES))
def test_any_tree_gets_one_path_a_category_without_repetition(tree: dict[str, str | None]) -> None:
    found, _ = paths(list(tree.items()))
    assert set(found) == set(tree) | {parent for parent in tree.values() if parent}
    for category, path in found.items():
        assert path[0] == category
        assert len(set(path)) == len(path)
        assert found[path[-1]] == [path[-1]]

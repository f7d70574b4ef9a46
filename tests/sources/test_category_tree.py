"""Category trees have no circles."""

from pathlib import Path

import pytest

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources import files
from recsys.sources.base import REASON, Chunk
from recsys.sources.category_tree import CategoryTreeInput, refuse_cycle, tree_layout


def read(tmp_path: Path, rows: str) -> Chunk:
    path = tmp_path / "tree.csv"
    path.write_text("id,parent\n" + rows)
    (chunk,) = CategoryTreeInput(files.at(path), tree_layout("id", "parent")).chunks()
    return chunk


def test_roots_have_no_parent(tmp_path: Path) -> None:
    tree = read(tmp_path, "1,\n2,1\n3,1\n").accepted[RawTable.CATEGORY_TREE]
    assert tree.rows() == [("1", None), ("2", "1"), ("3", "1")]


@pytest.mark.parametrize(
    ("rows", "circle"), [("1,1\n", "1 → 1"), ("1,2\n2,3\n3,1\n", "1 → 2 → 3 → 1"), ("9,\n5,1\n1,2\n2,1\n", "1 → 2 → 1")]
)
def test_a_circle_is_refused_and_named(tmp_path: Path, rows: str, circle: str) -> None:
    with pytest.raises(BadInputError, match=f"tree.csv: the category tree goes round in a circle: {circle} "):
        read(tmp_path, rows)


def test_a_second_parent_is_rejected_but_the_same_row_twice_is_not(tmp_path: Path) -> None:
    chunk = read(tmp_path, "1,\n2,1\n2,1\n3,\n2,3\n")
    assert chunk.accepted[RawTable.CATEGORY_TREE].height == 4
    assert chunk.rejected is not None
    assert chunk.rejected.select(REASON, "id", "parent").rows() == [("second_parent", "2", "3")]


def test_bad_ids_are_rejected(tmp_path: Path) -> None:
    chunk = read(tmp_path, "1,\n,1\n2,-7\n3,1,4\n")
    assert chunk.rejected is not None
    assert chunk.rejected.get_column(REASON).to_list() == ["missing_id", "negative_parent", "too_many_fields"]


def test_a_very_deep_tree_is_no_problem() -> None:
    refuse_cycle({str(depth): str(depth + 1) for depth in range(200_000)}, "deep")

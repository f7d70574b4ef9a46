"""The category tree, with each category's path to its root."""

import polars as pl

from recsys.dataset.prepared import CATEGORIES
from recsys.schema import Columns


def category_paths(tree: pl.DataFrame, used: pl.Series) -> tuple[pl.DataFrame, int]:
    """Paths for every category of the tree, every parent named there, and every category that items use.

    A category without a known parent is a root. A cycle is opened at one of its categories, which becomes a root.

    Args:
        tree: `category_id str, parent_id str?`, a row a category.
        used: further category ids.

    Returns:
        `CATEGORIES`, sorted by category; and how many cycles were opened.
    """
    parents: dict[str, str | None] = dict.fromkeys(
        sorted({*tree["parent_id"].drop_nulls(), *used.drop_nulls(), *tree[Columns.CATEGORY]})
    )
    parents.update(tree.select(Columns.CATEGORY, "parent_id").iter_rows())
    paths: dict[str, list[str]] = {}
    cycles = 0
    for start in parents:
        ahead: dict[str, None] = {}  # the walk up from `start`, as far as it is new; ordered, and quick to look up in
        category: str | None = start
        while category is not None and category not in paths:
            ahead[category] = None
            category = parents[category]
            if category in ahead:
                cycles += 1
                parents[next(reversed(ahead))] = category = None
        known = paths[category] if category is not None else []
        for step in reversed(ahead):
            known = paths[step] = [step, *known]
    rows = [(name, parents[name], len(path) - 1, path[-1], path) for name, path in paths.items()]
    return pl.DataFrame(rows, schema=CATEGORIES, orient="row").sort(Columns.CATEGORY), cycles

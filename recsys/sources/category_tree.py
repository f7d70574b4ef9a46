"""A category tree: rows of category and parent that must not go round in a circle."""

from collections.abc import Iterator

import polars as pl

from recsys.errors import BadInputError
from recsys.schema import RawTable
from recsys.sources.base import LINE, REASON, Chunk
from recsys.sources.csv_input import CsvInput
from recsys.sources.rules import id_rules, optional
from recsys.sources.table_input import Layout


def tree_layout(category: str, parent: str, meaning: str = "") -> Layout:
    """The layout of a file with these two columns; an empty parent marks a root."""
    return Layout(
        RawTable.CATEGORY_TREE,
        (category, parent),
        id_rules(category) | optional(id_rules(parent)),
        {"category_id": pl.col(category), "parent_id": pl.col(parent)},
        meaning=meaning,
    )


class CategoryTreeInput(CsvInput):
    """Held in memory as a whole, as trees are small, because a circle shows only in the whole."""

    def chunks(self) -> Iterator[Chunk]:
        """The tree in one chunk; a category's second, different parent is rejected.

        Raises:
            BadInputError: the tree has a circle; the message names it.
        """
        parts = list(super().chunks())
        table = self.layout.table
        tree = pl.concat([part.accepted[table] for part in parts])
        refuse_cycle(dict(tree.iter_rows()), self.name)
        rejected = [part.rejected for part in parts if part.rejected is not None]
        yield Chunk({table: tree}, pl.concat(rejected) if rejected else None, self.size())

    def split(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame | None]:
        """As every file, and a category keeps its first parent."""
        good, rejected = super().split(frame)
        category, parent = (pl.col(name) for name in self.layout.columns)
        other = parent.ne_missing(parent.first().over(category))
        second = good.filter(other).select(LINE, pl.lit("second_parent").alias(REASON), pl.exclude(LINE))
        if second.height:
            rejected = second if rejected is None else pl.concat([rejected, second])
        return good.filter(~other), rejected


def refuse_cycle(parents: dict[str, str | None], name: str) -> None:
    """See that every path upwards ends; in linear time.

    Raises:
        BadInputError: one does not; its categories are named in order.
    """
    ends: set[str] = set()
    for category in parents:
        path: dict[str, None] = {}
        step: str | None = category
        while step is not None and step not in ends:
            if step in path:
                circle = [*path][[*path].index(step) :]
                shown = circle if len(circle) <= 10 else [*circle[:9], "…", circle[-1]]
                raise BadInputError(
                    f"{name}: the category tree goes round in a circle: {' → '.join([*shown, step])}"
                    " (each is below the next).",
                    remedy="Correct the parent of one of these categories.",
                )
            path[step] = None
            step = parents.get(step)
        ends.update(path)

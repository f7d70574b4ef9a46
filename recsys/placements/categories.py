"""The shop's category tree, as rules and category pages ask for it."""

from collections import defaultdict
from collections.abc import Collection, Mapping


class CategoryTree:
    """Made of each category's parent. A cycle, which no API lets in but a file may hold, ends a walk."""

    def __init__(self, parents: Mapping[str, str | None]) -> None:
        self.parents = parents
        self._paths: dict[str, tuple[str, ...]] = {}
        self._children: dict[str, list[str]] = defaultdict(list)
        for category_id, parent_id in sorted(parents.items()):
            if parent_id is not None:
                self._children[parent_id].append(category_id)

    def path(self, category_id: str) -> tuple[str, ...]:
        """The category and those above it, up to its root."""
        if category_id not in self._paths:
            found: dict[str, None] = {}
            step: str | None = category_id
            while step is not None and step not in found:
                found[step] = None
                step = self.parents.get(step)
            self._paths[category_id] = tuple(found)
        return self._paths[category_id]

    def below(self, category_id: str) -> list[str]:
        """The category and all below it, the nearest first."""
        found: dict[str, None] = {category_id: None}
        for step in (queue := [category_id]):
            for child in self._children.get(step, ()):
                if child not in found:
                    found[child] = None
                    queue.append(child)
        return list(found)

    def is_below(self, category_id: str | None, others: Collection[str]) -> bool:
        """Whether the category is one of `others` or lies below one."""
        return category_id is not None and any(step in others for step in self.path(category_id))

    def __contains__(self, category_id: str) -> bool:
        return category_id in self.parents or category_id in self._children

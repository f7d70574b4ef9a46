"""Categories: a tree, and it stays one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import ConfigDict, Field

from fast_api_service.catalog.fields import Fields as FieldsModel
from fast_api_service.catalog.fields import Kept, Text
from fast_api_service.catalog.kinds import Fields, Kind
from fast_api_service.problems import FieldProblem
from fast_api_service.schemas import Identifier


class CategoryFields(FieldsModel):
    """What a shop says of a category. Left out: in a new category the default; in a change as it was."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Mugs", "parent_id": "1000"}]})

    title: Text | None = None
    parent_id: Identifier | None = Field(None, description="null: a root. It may be made later.")
    is_repeatable: bool = Field(
        False, description="What was bought of it, or of a category below it, may be recommended again."
    )


class CategoryRow(CategoryFields):
    """A category with its id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"category_id": "1016", "title": "Mugs", "parent_id": "1000"}]}
    )

    category_id: Identifier


class Category(CategoryRow, Kept):
    """A category as it is kept."""

    model_config = ConfigDict(strict=False)


class CategoryPage(FieldsModel):
    """Some categories, by id."""

    categories: list[Category]
    next: str | None = Field(description="Give it as `after` for the next page; null at the end.")


# Two writers that each are right can make a circle together, so they come one after the other.
LOCK = "lock table shop.categories in share row exclusive mode"
PARENTS = "select category_id, parent_id from shop.categories where dataset = $1"
CHILDREN = "select category_id from shop.categories where dataset = $1 and parent_id = $2 order by 1 limit 3"


@dataclass(frozen=True)
class CategoryKind(Kind):
    """Categories. The whole tree is looked at for a circle; trees are small."""

    async def prepare(
        self, connection: asyncpg.Connection, dataset: str, rows: Mapping[str, list[Fields]]
    ) -> dict[str, str | None]:
        """Each category's parent, as it is now."""
        await connection.execute(LOCK)
        return dict(await connection.fetch(PARENTS, dataset))

    def settle(self, key: str, old: Fields | None, new: Fields, given: set[str], known: Any) -> FieldProblem | None:
        """A category cannot be below itself."""
        path, step = [key], new["parent_id"]
        while step is not None and step != key:
            path.append(step)
            step = known.get(step)
        if step == key:
            shown = path if len(path) <= 10 else [*path[:9], "…"]
            return FieldProblem(
                field="body.parent_id",
                value=new["parent_id"],
                message=f"The category would be below itself: {' → '.join([*shown, key])} (each is below the next)",
                remedy="Give another parent, or move one of these first.",
                reason="category_cycle",
            )
        known[key] = new["parent_id"]
        return None

    async def may_go(self, connection: asyncpg.Connection, dataset: str, key: str) -> str | None:
        """Not while others are below it."""
        below = [row[0] for row in await connection.fetch(CHILDREN, dataset, key)]
        return f"Below the category {key!r} there are others: {', '.join(map(repr, below))}." if below else None


CATEGORY = CategoryKind(
    noun="category",
    table="shop.categories",
    key="category_id",
    fields=CategoryFields,
    row=CategoryRow,
    columns={"title": "text", "parent_id": "text", "is_repeatable": "boolean"},
)

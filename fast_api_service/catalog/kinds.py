"""Products, categories and customers are kept alike: what a kind of record is, and what is special about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
from pydantic import BaseModel

from fast_api_service.problems import FieldProblem

Fields = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of record.

    Attributes:
        noun: for messages.
        table: schema-qualified.
        key: its id's column and field.
        fields: model of everything but the id; each field has a default.
        row: model of the fields with the id.
        columns: the fields that are columns of the table, with their Postgres types.
        body: SQL for what a record holds beside its columns, as a JSON object; refers to the table as `record`.
    """

    noun: str
    table: str
    key: str
    fields: type[BaseModel]
    row: type[BaseModel]
    columns: Mapping[str, str]
    body: str = "'{}'::jsonb"

    async def prepare(self, connection: asyncpg.Connection, dataset: str, rows: Mapping[str, list[Fields]]) -> Any:
        """Read, in the transaction that will write them, what the checks of these rows need."""

    def settle(self, key: str, old: Fields | None, new: Fields, given: set[str], known: Any) -> FieldProblem | None:
        """Complete `new` in place; or say why it is refused. `known` is what `prepare` gave."""
        return None

    async def write_more(
        self, connection: asyncpg.Connection, dataset: str, before: Mapping[str, Fields], after: Mapping[str, Fields]
    ) -> None:
        """Store what a record holds beside its columns."""

    async def may_go(self, connection: asyncpg.Connection, dataset: str, key: str) -> str | None:
        """Why a record must not be deleted; None when it may."""
        return None

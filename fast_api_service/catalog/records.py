"""Reading and writing records of one kind: conditions are checked, and rows merged, in the transaction that writes."""

import copy
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import asyncpg

from fast_api_service.catalog import repository
from fast_api_service.catalog.etags import Condition, unknown
from fast_api_service.catalog.kinds import Fields, Kind
from fast_api_service.database import database_errors
from fast_api_service.problems import FieldProblem, ProblemError, invalid

# Two writers that collide are tried again from the beginning, on what the other one left.
COLLISIONS = (asyncpg.UniqueViolationError, asyncpg.DeadlockDetectedError)
MOST_TRIES = 5
NOT_STORED = "Nothing of this request was stored."

ANY = Condition()

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """What one row of a request wants.

    Attributes:
        given: validated fields; those left out stay as they are, or have their defaults in a new record.
    """

    key: str
    given: Fields
    condition: Condition = ANY


@dataclass
class Outcome:
    """What became of it; `record` and its revision are as they are after the request."""

    status: Literal["created", "updated", "unchanged", "rejected"]
    record: Fields
    problem: FieldProblem | None = None


class Records:
    """The records of one kind, of the active dataset."""

    def __init__(self, kind: Kind, pool: asyncpg.Pool) -> None:
        self.kind, self.pool = kind, pool
        self.defaults: Fields = kind.fields().model_dump()

    async def get(self, key: str) -> Fields:
        """One record.

        Raises:
            ProblemError: 404.
        """
        with database_errors("Nothing can be read."):
            async with self.pool.acquire() as connection:
                found = await repository.get(connection, self.kind, await repository.dataset(connection), key)
        if found is None:
            raise unknown(self.kind.noun, key)
        return found

    async def page(self, after: str | None, limit: int, conditions: Mapping[str, Any]) -> tuple[list[Fields], Any]:
        """Up to `limit` records by id, and the id to go on after (None at the end)."""
        with database_errors("Nothing can be read."):
            async with self.pool.acquire() as connection:
                name = await repository.dataset(connection)
                rows = await repository.page(connection, self.kind, name, after, limit + 1, conditions)
        return rows[:limit], rows[limit - 1][self.kind.key] if len(rows) > limit else None

    async def change(self, change: Change) -> Outcome:
        """Write one record, and read it back.

        Raises:
            ProblemError: 412 when its condition does not hold; 422 when it is refused; 503 when Postgres is away.
        """

        async def write(connection: asyncpg.Connection) -> Outcome:
            name = await repository.dataset(connection)
            (outcome,) = await self._write(connection, name, [change])
            if outcome.problem:
                raise invalid([outcome.problem])
            outcome.record = await repository.get(connection, self.kind, name, change.key) or {}
            return outcome

        return await self._transaction(write)

    async def change_many(self, changes: Sequence[Change]) -> list[Outcome]:
        """Write records in one transaction, one outcome a change; of changes to one record each builds on the last.

        Raises:
            ProblemError: 503 when Postgres is away.
        """

        async def write(connection: asyncpg.Connection) -> list[Outcome]:
            return await self._write(connection, await repository.dataset(connection), changes)

        return await self._transaction(write)

    async def delete(self, key: str, condition: Condition) -> None:
        """Remove one record.

        Raises:
            ProblemError: 404; 409 when others depend on it; 412 when its condition does not hold.
        """

        async def remove(connection: asyncpg.Connection) -> None:
            name = await repository.dataset(connection)
            found = (await repository.lock(connection, self.kind, name, [key])).get(key)
            condition.check(self.kind.noun, key, found["revision"] if found else None)
            if why := await self.kind.may_go(connection, name, key):
                raise ProblemError(409, "in-use", why, remedy="Move or delete those first.")
            await repository.delete(connection, self.kind, name, key)

        await self._transaction(remove)

    async def _transaction(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        with database_errors(NOT_STORED):
            for _ in range(MOST_TRIES):
                try:
                    async with self.pool.acquire() as connection, connection.transaction():
                        return await work(connection)
                except COLLISIONS:
                    continue
        raise ProblemError(
            503,
            "collision",
            f"Others kept writing the same {self.kind.noun} records. {NOT_STORED}",
            remedy="Send the request again.",
            headers={"Retry-After": "1"},
        )

    async def _write(self, connection: asyncpg.Connection, name: str, changes: Sequence[Change]) -> list[Outcome]:
        kind = self.kind
        given: dict[str, list[Fields]] = {}
        for change in changes:
            given.setdefault(change.key, []).append(change.given)
        known = await kind.prepare(connection, name, given)
        before = await repository.lock(connection, kind, name, given)
        after: dict[str, Fields] = {}
        outcomes = []
        for change in changes:
            stored = before.get(change.key)
            change.condition.check(kind.noun, change.key, stored["revision"] if stored else None)
            old = after.get(change.key, stored)
            new = copy.deepcopy(old) if old else {**copy.deepcopy(self.defaults), kind.key: change.key}
            new |= change.given
            if problem := kind.settle(change.key, old, new, set(change.given), known):
                outcomes.append(Outcome("rejected", {kind.key: change.key}, problem))
                continue
            status: Any = "created" if old is None else "unchanged" if new == old else "updated"
            after[change.key] = new
            outcomes.append(Outcome(status, new))
        made = {key: row for key, row in after.items() if key not in before}
        changed = {key: row for key, row in after.items() if key in before and row != before[key]}
        revisions = {key: row["revision"] for key, row in before.items()}
        revisions |= await repository.insert(connection, kind, name, made) if made else {}
        revisions |= await repository.update(connection, kind, name, changed) if changed else {}
        await kind.write_more(connection, name, before, made | changed)
        for outcome in outcomes:
            if outcome.status != "rejected":
                outcome.record["revision"] = revisions[outcome.record[kind.key]]
        return outcomes

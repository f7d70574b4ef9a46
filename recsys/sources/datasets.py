"""The datasets in Postgres, and which one is active."""

import re
from dataclasses import dataclass
from datetime import datetime

from recsys.errors import BadInputError, NotReadyError
from recsys.settings import PostgresSettings
from recsys.storage import postgres
from recsys.storage.postgres import Cursor

LIST = """
select d.name, d.source, d.is_active,
       coalesce(sum(l.rows_accepted) filter (where l.table_name = 'events'), 0)::bigint,
       coalesce(sum(l.rows_accepted) filter (where l.table_name = 'item_properties'), 0)::bigint,
       coalesce(sum(l.rows_accepted) filter (where l.table_name = 'category_tree'), 0)::bigint,
       max(l.loaded_at)
from raw.datasets d
left join raw.loads l on l.dataset = d.name
group by d.name
order by d.name
"""


@dataclass(frozen=True)
class Dataset:
    """One shop's data. The counts are rows in the raw tables."""

    name: str
    source: str
    is_active: bool
    events: int
    item_properties: int
    categories: int
    loaded_at: datetime | None


def list_all(database: PostgresSettings) -> list[Dataset]:
    """All datasets, by name."""
    with postgres.transaction(database) as cursor:
        cursor.execute(LIST)
        return [Dataset(*row) for row in cursor.fetchall()]


def create(database: PostgresSettings, name: str) -> None:
    """An empty dataset, for a shop that tells everything through the API; it becomes the active one.

    Raises:
        BadInputError: that is no name for a dataset.
    """
    with postgres.transaction(database) as cursor:
        create_in(cursor, name, "api")
        activate_in(cursor, name)


def create_in(cursor: Cursor, name: str, source: str) -> None:
    """The dataset, unless it is there, as part of the cursor's transaction.

    Raises:
        BadInputError: that is no name for a dataset.
    """
    check_name(name)
    cursor.execute("insert into raw.datasets (name, source) values (%s, %s) on conflict do nothing", (name, source))


def check_name(dataset: str) -> None:
    """See that it is a name for a dataset.

    Raises:
        BadInputError: it is not.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", dataset):
        raise BadInputError(
            f"--dataset {dataset!r} is not a name for a dataset.",
            remedy="Use up to 63 small letters, digits, '-' and '_', starting with a letter.",
        )


def activate(database: PostgresSettings, name: str) -> None:
    """Make `name` the dataset that the pipelines work on and the service serves.

    Raises:
        NotReadyError: there is no such dataset.
    """
    with postgres.transaction(database) as cursor:
        activate_in(cursor, name)


def activate_in(cursor: Cursor, name: str) -> None:
    """The same, as part of the cursor's transaction."""
    # In two statements, because the index that allows only one active dataset is checked row by row.
    cursor.execute("update raw.datasets set is_active = false where is_active and name <> %s", (name,))
    cursor.execute("update raw.datasets set is_active = true where name = %s", (name,))
    if cursor.rowcount == 0:
        cursor.execute("select name from raw.datasets order by name")
        names = ", ".join(row[0] for row in cursor.fetchall())
        raise NotReadyError(
            f"There is no dataset {name!r}.", remedy=f"Choose one of these: {names or 'none'}; or load it."
        )

"""A small shop in service: who gets which list is plain from the item ids."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from recsys.pipeline.context import RunContext
from recsys.publishing.versions import publish
from recsys.schema import Columns, PublishedTable, Reason, RecommendationTable, SnapshotTable
from recsys.settings import MlflowSettings, ObjectStoreSettings, PipelineSettings, PostgresSettings
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore
from tests.conftest import execute

POPULAR = [f"d{number}" for number in range(12)]
RANKED = [f"r{number}" for number in range(8)]
PERSONALIZED = [f"p{number}" for number in range(6)]
SHOES = ["s0", "s1", "s2"]
CATALOGUE = [*POPULAR, *RANKED, *PERSONALIZED, *SHOES, *(f"x{number}" for number in range(120))]
UNAVAILABLE = ["r1", "d1", "x5"]
BOUGHT_BY_ANNA = ["r0", "d0"]
DISLIKED_BY_DIRK = ["d2", "d3"]


@contextmanager
def published(server: PostgresSettings, s3: ObjectStoreSettings) -> Iterator[RunContext]:
    """The shop with all its lists, in a database and a bucket of its own."""
    name = f"service_{secrets.token_hex(6)}"
    admin = server.model_copy(update={"database": "postgres"})
    execute(admin, f"create database {name} template template_recsys")
    store = ObjectStore(s3.model_copy(update={"bucket": f"service-{secrets.token_hex(6)}"}))
    store.wait(print)
    run = context(admin.model_copy(update={"database": name}), store)
    publish_all(run)
    yield run
    execute(admin, f"drop database {name} with (force)")


def context(database: PostgresSettings, store: ObjectStore) -> RunContext:
    """A run on the shop's dataset, which this creates."""
    with postgres.transaction(database) as cursor:
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
        for item_id in CATALOGUE:
            cursor.execute(
                "insert into recs.item_state (dataset, item_id, is_available) values ('shop', %s, %s)",
                (item_id, item_id not in UNAVAILABLE),
            )
    settings = PipelineSettings(_env_file=None)  # type: ignore[call-arg]
    return RunContext("run-1", "shop", settings, database, store, MlflowSettings())


def neighbours(item_id: str) -> list[str]:
    """Five items of the catalogue after this one."""
    place = CATALOGUE.index(item_id)
    return [CATALOGUE[(place + step) % len(CATALOGUE)] for step in range(1, 6)]


def publish_all(run: RunContext, mark: str = "") -> None:
    """Every table; with a mark, all items of the ranked and default lists carry it at the end."""
    # As step 6 publishes them: with reasons, and `based_on` for what fills a list alone.
    alike = {item_id: neighbours(item_id) for item_id in CATALOGUE}
    lists(run, RecommendationTable.SIMILAR, alike, reason=Reason.SIMILAR_TO_ITEM)
    lists(run, SnapshotTable.PURCHASES, {"anna": BOUGHT_BY_ANNA})
    lists(run, SnapshotTable.DISLIKES, {"dirk": DISLIKED_BY_DIRK})
    lists(
        run, RecommendationTable.PERSONALIZED, {"anna": PERSONALIZED, "ben": PERSONALIZED[:2], "zoe": PERSONALIZED[:2]}
    )
    lists(run, RecommendationTable.I2I, {"carl": ["x1", "x2"]}, based_on="d7", reason=Reason.SIMILAR_TO_VIEWED)
    lists(run, RecommendationTable.RANKED, {"anna": [item + mark for item in RANKED]})
    lists(run, RecommendationTable.DEFAULT, {"": [item + mark for item in POPULAR], "shoes": SHOES})


def lists(
    run: RunContext, table: PublishedTable, wanted: dict[str, list[str]], based_on: str = "", reason: str = ""
) -> None:
    """Publish a table that holds exactly these lists."""
    columns: dict[str, list[object]] = {Columns.KEY: list(wanted), Columns.ITEMS: list(wanted.values())}
    if not isinstance(table, SnapshotTable):
        columns[Columns.SCORES] = [[1.0 - place / 1000 for place in range(len(items))] for items in wanted.values()]
    if reason:
        columns[Columns.REASONS] = [[str(reason)] * len(items) for items in wanted.values()]
        columns[Columns.BASED_ON] = [[based_on or None] * len(items) for items in wanted.values()]
    publish(run, table, [pl.DataFrame(columns)], {})

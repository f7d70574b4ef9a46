import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from doomed_publisher import STAGES
from shop_lists import lists, objects, partitions, rows, run

from recsys.errors import UnavailableError
from recsys.pipeline.context import RunContext
from recsys.publishing.active import read_active
from recsys.publishing.versions import publish
from recsys.schema import RecommendationTable
from recsys.settings import ObjectStoreSettings
from recsys.stack import temporary
from recsys.stack.process import free_port
from recsys.storage.object_store import ObjectStore

TABLE = RecommendationTable.PERSONALIZED
STATES = "select version, status from recs.versions order by 1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go, here and in the doomed process."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def doomed(context: RunContext, stage: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        **temporary.variables(folder, context.postgres, context.store.settings),
        "TMPDIR": str(folder),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    command = [sys.executable, str(Path(__file__).with_name("doomed_publisher.py")), stage]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def served(context: RunContext) -> set[str]:
    """The marks of the lists in service, in Postgres and in the snapshot."""
    in_postgres = rows(
        context, "select distinct split_part(item_id, '-', 1) from recs.current_personalized_recommendations"
    )
    in_snapshot = pl.concat(read_active(context, TABLE))["item_id"].str.split("-").list.first().unique()
    assert {mark for (mark,) in in_postgres} == set(in_snapshot)
    return set(in_snapshot)


def assert_nothing_left(context: RunContext, kept: list[int], folder: Path) -> None:
    assert rows(context, STATES) == [(version, "ready") for version in kept]
    assert partitions(context) == [f"{TABLE}_{version}" for version in kept]
    assert objects(context) == [f"{version}.lmdb" for version in kept]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("stage", STAGES)
def test_a_killed_publish_leaves_the_old_version_and_the_next_cleans_up(
    context: RunContext, stage: str, folder: Path
) -> None:
    first = publish(context, TABLE, [lists("old")]).version
    assert doomed(context, stage, folder).returncode == -9
    is_flipped = stage == "after_flip"
    assert served(context) == ({"doomed"} if is_flipped else {"old"})
    second = publish(run(context, "run-2"), TABLE, [lists("new")]).version
    assert served(context) == {"new"}
    assert_nothing_left(context, [first, first + 1, second] if is_flipped else [first, second], folder)


def test_a_full_disk_is_named_and_the_old_version_stays(context: RunContext, folder: Path) -> None:
    first = publish(context, TABLE, [lists("old")]).version
    done = doomed(context, "full_disk", folder)
    assert done.returncode == 1
    assert "UnavailableError: The snapshot file" in done.stderr
    assert "Free space there" in done.stderr
    assert list(folder.iterdir()) == []
    assert served(context) == {"old"}
    second = publish(run(context, "run-2"), TABLE, [lists("new")]).version
    assert_nothing_left(context, [first, second], folder)


def test_a_store_that_is_gone_fails_the_publish_and_nothing_else(context: RunContext, folder: Path) -> None:
    first = publish(context, TABLE, [lists("old")]).version
    gone = ObjectStoreSettings(
        endpoint_url=f"http://127.0.0.1:{free_port()}", access_key="x", secret_key="not-a-default-1"
    )
    with pytest.raises(UnavailableError, match="could not be reached"):
        publish(
            RunContext("run-2", "shop", context.settings, context.postgres, ObjectStore(gone), context.mlflow),
            TABLE,
            [lists("b")],
        )
    assert served(context) == {"old"}
    second = publish(run(context, "run-3"), TABLE, [lists("new")]).version
    assert_nothing_left(context, [first, second], folder)


def test_a_lost_postgres_connection_fails_the_publish_and_nothing_else(context: RunContext, folder: Path) -> None:
    first = publish(context, TABLE, [lists("old")]).version

    def frames() -> Iterator[pl.DataFrame]:
        yield lists("b")
        others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        rows(context, f"select pg_terminate_backend(pid, 5000) {others}")
        yield lists("c").with_columns(key=pl.lit("c") + pl.col("key"))

    with pytest.raises(UnavailableError, match="Postgres failed while personalized_recommendations"):
        publish(run(context, "run-2"), TABLE, frames())
    assert served(context) == {"old"}
    second = publish(run(context, "run-3"), TABLE, [lists("new")]).version
    assert_nothing_left(context, [first, second], folder)

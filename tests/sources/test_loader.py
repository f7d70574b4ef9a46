"""Loading is all or nothing, and twice is once."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from recsys.errors import BadInputError, UnavailableError
from recsys.schema import RawTable
from recsys.settings import PostgresSettings, home
from recsys.sources.base import LINE, REASON, Chunk, Input, Source
from recsys.sources.loader import load_source
from recsys.sources.report import LoadReport
from recsys.sources.retailrocket import RetailRocket
from recsys.sources.simulator import Simulator, Sizes
from recsys.storage import postgres
from tests.conftest import wait_until

HEADER = "timestamp,visitorid,event,itemid,transactionid\n"
EVENT = "1430623510000,2001176,view,1006768,\n"
LOAD_MUCH = """
import sys
from recsys.settings import PostgresSettings, load
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator, Sizes
much = Simulator(Sizes(items=30_000, property_rows=20_000_000))
load_source(much, load(PostgresSettings), replace="--replace" in sys.argv)
"""


def query(database: PostgresSettings, statement: str) -> list[tuple[object, ...]]:
    with postgres.transaction(database) as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def stored(database: PostgresSettings) -> dict[str, object]:
    """Everything a load could leave behind."""
    partitions = "select count(*) from pg_class where relnamespace = 'raw'::regnamespace and relname ~ '_[0-9]+$'"
    return {
        "datasets": query(database, "select name, source, is_active from raw.datasets order by 1"),
        "loads": query(database, "select load_id, rows_read, rows_accepted, rows_rejected from raw.loads order by 1"),
        "partitions": query(database, partitions),
        "events": query(database, "select count(*) from raw.events"),
        "rejected": sorted(path.name for path in (home() / "rejected").glob("*")),
    }


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejected rows go to a folder of the test's own."""
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A RetailRocket folder with two good and two bad events."""
    folder = tmp_path / "shop"
    folder.mkdir()
    bad = EVENT.replace("view", "wishlist") + EVENT.replace("2001176", "-1")
    (folder / "events.csv").write_text(HEADER + EVENT + bad + EVENT)
    (folder / "category_tree.csv").write_text("categoryid,parentid\n1,\n2,1\n")
    return folder


def test_rows_reach_the_raw_tables(database: PostgresSettings, shop: Path) -> None:
    report = load_source(RetailRocket(shop), database)
    assert [(load.file, load.table, load.read, load.accepted) for load in report.loads] == [
        ("category_tree.csv", "category_tree", 2, 2),
        ("events.csv", "events", 4, 2),
    ]
    load_id = report.loads[1].load_id
    row = (load_id, 1430623510000, "2001176", "1006768", "view", None, None, None)
    assert query(database, "select * from raw.events") == [row, row]
    assert query(database, "select category_id, parent_id from raw.category_tree") == [("1", None), ("2", "1")]
    assert query(
        database,
        f"select rows_read, rows_accepted, rows_rejected, rejected_by_reason from raw.loads where load_id = {load_id}",
    ) == [(4, 2, 2, {"unknown_event": 1, "negative_visitorid": 1})]


def test_rejected_rows_are_kept_with_line_and_reason(database: PostgresSettings, shop: Path) -> None:
    load = load_source(RetailRocket(shop), database).loads[1]
    assert load.rejected_file is not None
    assert load.rejected_file.name == f"retailrocket-{load.load_id}-events.csv"
    kept = pl.read_csv(load.rejected_file, infer_schema=False)
    assert kept.select(LINE, REASON, "visitorid", "event").rows() == [
        ("3", "unknown_event", "2001176", "wishlist"),
        ("4", "negative_visitorid", "-1", "view"),
    ]


def test_the_same_content_again_changes_nothing_however_compressed(database: PostgresSettings, shop: Path) -> None:
    first = load_source(RetailRocket(shop), database)
    before = stored(database)
    content = (shop / "events.csv").read_bytes()
    (shop / "events.csv").unlink()
    for level in (1, 9):
        (shop / "events.csv.gz").write_bytes(gzip.compress(content, level))
        again = load_source(RetailRocket(shop), database)
        assert not again.changed
        assert [load.load_id for load in again.loads] == [load.load_id for load in first.loads]
        assert stored(database) == before


def test_a_new_file_adds_to_what_is_there(database: PostgresSettings, shop: Path) -> None:
    load_source(RetailRocket(shop), database)
    (shop / "events.csv").write_text(HEADER + EVENT.replace("view", "addtocart"))
    report = load_source(RetailRocket(shop), database)
    assert [load.already_loaded for load in report.loads] == [True, False]
    assert query(database, "select count(*) from raw.events") == [(3,)]


@pytest.mark.parametrize(
    ("events", "message"),
    [
        (HEADER + EVENT + "caf\u00e9,1,view,2,\n", "is not UTF-8"),
        (HEADER.replace("itemid", "item") + EVENT, "lacks the column 'itemid'"),
        ("", "is empty"),
        (HEADER, "has a header but no rows"),
        (HEADER + EVENT.replace("view", "look") * 3, r"not one of 3 rows is usable \(unknown_event: 3\)"),
        (HEADER + EVENT.replace("510000,", "510,"), "looks like seconds"),
    ],
)
def test_one_refused_file_leaves_nothing_of_the_others(
    database: PostgresSettings, shop: Path, events: str, message: str
) -> None:
    before = stored(database)
    (shop / "events.csv").write_text(events, encoding="latin-1")
    with pytest.raises(BadInputError, match=message):
        load_source(RetailRocket(shop), database)
    assert stored(database) == before


class Failing(Source):
    """Some good rows, then an exception out of the blue."""

    name = "failing"

    def inputs(self) -> list[Input]:
        return [FailingInput()]


class FailingInput(Input):
    name = "failing.csv"
    tables = (RawTable.EVENTS,)

    def digest(self) -> str:
        return "0"

    def size(self) -> int:
        return 2

    def chunks(self) -> Iterator[Chunk]:
        row = {"timestamp_ms": [1], "user_id": ["u"], "item_id": ["i"], "event_type": ["view"]}
        bad = pl.DataFrame({LINE: [2], REASON: ["bad"], "x": ["y"]})
        yield Chunk({RawTable.EVENTS: pl.DataFrame(row)}, bad, 1)
        raise RuntimeError("the disk is on fire")


def test_an_error_while_preparing_chunks_is_raised_and_leaves_nothing(database: PostgresSettings) -> None:
    before = stored(database)
    with pytest.raises(RuntimeError, match="on fire"):
        load_source(Failing(), database)
    assert stored(database) == before


def test_an_interrupted_load_stops_preparing_chunks(database: PostgresSettings) -> None:
    def interrupt(name: str, done: int, size: int) -> None:
        if done:
            raise KeyboardInterrupt

    before = stored(database)
    with pytest.raises(KeyboardInterrupt):
        load_source(Simulator(Sizes(items=20_000)), database, progress=interrupt)
    assert "prepare-chunks" not in {thread.name for thread in threading.enumerate()}
    assert stored(database) == before


@pytest.mark.parametrize("arguments", [[], ["--replace"]])
def test_a_load_killed_during_copy_leaves_nothing_and_can_be_done_again(
    database: PostgresSettings,
    load_simulated_shop: Callable[..., LoadReport],
    arguments: list[str],
) -> None:
    if arguments:
        load_simulated_shop()
    before = stored(database)
    environment = os.environ | {
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DATABASE": database.database,
        "POSTGRES_PASSWORD": database.password.get_secret_value(),
    }
    child = subprocess.Popen([sys.executable, "-c", LOAD_MUCH, *arguments], env=environment)
    copying = f"select tuples_processed from pg_stat_progress_copy where datname = '{database.database}'"
    wait_until(lambda: any(rows for (rows,) in query(database, copying)))
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    others = f"select 1 from pg_stat_activity where datname = '{database.database}' and pid <> pg_backend_pid()"
    wait_until(lambda: not query(database, others))
    assert stored(database) == before
    load_source(Simulator(Sizes()), database, replace=True)
    assert query(database, "select count(*) from raw.events") == [(Sizes.events,)]


def test_leftovers_of_a_killed_load_are_removed(database: PostgresSettings, shop: Path) -> None:
    folder = home() / "rejected"
    folder.mkdir(parents=True)
    (folder / "retailrocket-99-events.csv.part").write_text("half a fi")
    (folder / "other-98-events.csv.part").write_text("of a load under way into another dataset")
    load = load_source(RetailRocket(shop), database).loads[1]
    assert sorted(path.name for path in folder.iterdir()) == [
        "other-98-events.csv.part",
        f"retailrocket-{load.load_id}-events.csv",
    ]


def test_loading_activates_its_dataset_and_touches_no_other(
    database: PostgresSettings, load_simulated_shop: Callable[..., LoadReport], shop: Path
) -> None:
    load_simulated_shop(dataset="first")
    load_source(RetailRocket(shop), database, dataset="second")
    assert stored(database)["datasets"] == [("first", "simulator", False), ("second", "retailrocket", True)]
    load_simulated_shop(dataset="first")
    assert stored(database)["datasets"] == [("first", "simulator", True), ("second", "retailrocket", False)]
    assert query(database, "select dataset, count(*) from raw.loads group by 1 order by 1") == [
        ("first", 3),
        ("second", 2),
    ]


def test_sources_are_not_mixed_unless_replaced(
    database: PostgresSettings, load_simulated_shop: Callable[..., LoadReport], shop: Path
) -> None:
    load_simulated_shop(dataset="mine")
    before = stored(database)
    with pytest.raises(BadInputError, match="'mine' holds data of the source 'simulator'") as refusal:
        load_source(RetailRocket(shop), database, dataset="mine")
    assert "--replace" in refusal.value.remedy
    assert stored(database) == before
    load_source(RetailRocket(shop), database, dataset="mine", replace=True)
    assert stored(database)["datasets"] == [("mine", "retailrocket", True)]
    assert query(database, "select count(*) from raw.events") == [(2,)]
    assert stored(database)["partitions"] == [(2,)]


def test_another_simulation_does_not_add_to_the_first(
    database: PostgresSettings, load_simulated_shop: Callable[..., LoadReport]
) -> None:
    load_simulated_shop(seed=1)
    with pytest.raises(BadInputError, match="holds another simulation"):
        load_simulated_shop(seed=2)
    assert query(database, "select count(*) from raw.events") == [(3_000,)]


@pytest.mark.parametrize("name", ["", "Shop", "1shop", "a b", "x" * 64, "a;drop", "../x"])
def test_names_of_datasets_are_plain(database: PostgresSettings, shop: Path, name: str) -> None:
    with pytest.raises(BadInputError, match="not a name for a dataset"):
        load_source(RetailRocket(shop), database, dataset=name or " ")


def test_a_server_that_dies_during_the_load_is_named(database: PostgresSettings, shop: Path) -> None:
    def cut(name: str, done: int, size: int) -> None:
        query(
            database,
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            f" where datname = '{database.database}' and pid <> pg_backend_pid()",
        )

    with pytest.raises(UnavailableError, match="failed during the load, which left nothing"):
        load_source(RetailRocket(shop), database, progress=cut)
    assert query(database, "select count(*) from raw.loads") == [(0,)]


def test_progress_ends_at_the_size(database: PostgresSettings, shop: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_source(RetailRocket(shop), database, progress=lambda *step: told.append(step))
    size = (shop / "events.csv").stat().st_size
    assert [step for step in told if step[0] == "events.csv"] == [("events.csv", 0, size), ("events.csv", size, size)]

"""The admin commands on tables, as processes against a real server."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from recsys.settings import PROJECT_ROOT, PostgresSettings
from recsys.storage import postgres
from tests import shop_tables


@pytest.fixture
def script(suite_environment: None):
    """Runs one of the scripts on `database`."""

    def run(name: str, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROJECT_ROOT / "postgres_scripts" / f"{name}.py"), *arguments]
        return subprocess.run(command, input=answer, capture_output=True, text=True, cwd="/")

    return run


@pytest.fixture
def shop(database: PostgresSettings) -> PostgresSettings:
    return shop_tables.fill(database)


def test_show_prints_rows_and_their_number(script, shop: PostgresSettings) -> None:
    done = script("show_table", "--table-name", "current_similar_items", "--rows", "1")
    assert done.returncode == 0, done.stderr
    assert "similar_item_id" in done.stdout
    assert "i2" in done.stdout
    assert "i3" not in done.stdout
    assert "1 of 2 rows" in done.stdout


def test_load_writes_what_the_table_holds_with_its_types(script, shop: PostgresSettings, tmp_path: Path) -> None:
    done = script("load_table", "--save-dir", str(tmp_path / "new"), "--table-name", "recs.similar_items")
    assert done.returncode == 0, done.stderr
    saved = pq.read_table(tmp_path / "new" / "similar_items.parquet").to_pylist()
    assert saved == [
        {"version": 1, "key": "i1", "item_ids": ["i2", "i3"], "scores": [0.5, 0.25], "reasons": None, "based_on": None}
    ]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["similar_items.parquet"]


def test_load_keeps_nulls_times_and_types_parquet_does_not_have(script, shop: PostgresSettings, tmp_path: Path) -> None:
    assert script("load_table", "-sd", str(tmp_path), "-tn", "My notes; drop").returncode == 0
    first, second = pq.read_table(tmp_path / "My notes; drop.parquet").to_pylist()
    assert (first["note"], first["at"].isoformat(), first["amount"]) == ("first", "2026-01-02T03:04:05+00:00", "1.5")
    assert second == {"note": None, "at": None, "amount": None}


def test_load_of_many_rows_comes_whole_and_in_batches(script, shop: PostgresSettings, tmp_path: Path) -> None:
    with postgres.transaction(shop) as cursor:
        cursor.execute("create table numbers as select i::bigint from generate_series(1, 45000) as i")
    assert script("load_table", "--save-dir", str(tmp_path), "--table-name", "numbers").returncode == 0
    file = pq.ParquetFile(tmp_path / "numbers.parquet")
    assert file.metadata.num_row_groups == 3
    assert file.read().column("i").to_pylist() == list(range(1, 45001))


def test_load_into_an_unwritable_place_leaves_the_old_file(script, shop: PostgresSettings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    done = script("load_table", "--save-dir", str(tmp_path / "file"), "--table-name", "events_1")
    assert done.returncode == 2
    assert "--save-dir" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("name", ["show_table", "load_table", "drop_table"])
def test_an_unknown_table_is_refused_naming_the_known_ones(script, shop: PostgresSettings, name: str, tmp_path) -> None:
    extra = {"load_table": ["--save-dir", str(tmp_path)], "drop_table": ["--yes"]}.get(name, [])
    before = shop_tables.names(shop)
    done = script(name, "--table-name", "numbers; drop schema raw cascade", *extra)
    assert done.returncode == 1
    assert "is not a known table" in done.stderr
    assert "recs.similar_items" in done.stderr
    assert "Traceback" not in done.stderr
    assert shop_tables.names(shop) == before


def test_drop_asks_first(script, shop: PostgresSettings) -> None:
    refused = script("drop_table", "--table-name", "My notes; drop", answer="n\n")
    assert refused.returncode == 1
    assert "with 2 rows?" in refused.stdout
    assert "public.My notes; drop" in shop_tables.names(shop)
    assert script("drop_table", "--table-name", "My notes; drop", answer="y\n").returncode == 0
    assert "public.My notes; drop" not in shop_tables.names(shop)


def test_drop_refuses_a_version_in_service(script, shop: PostgresSettings) -> None:
    done = script("drop_table", "--table-name", "similar_items_1", "--yes")
    assert done.returncode == 1
    assert "What to do: Put another version into service first" in done.stderr
    assert "recs.similar_items_1" in shop_tables.names(shop)


def test_without_a_stack_the_error_says_what_to_do() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("POSTGRES_")}
    command = [sys.executable, str(PROJECT_ROOT / "postgres_scripts" / "show_table.py"), "--table-name", "events"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "POSTGRES_PASSWORD" in done.stderr
    assert "recsys up" in done.stderr

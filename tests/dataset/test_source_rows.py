from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.dataset import source_rows
from recsys.dataset.preparation import write_prepared
from recsys.dataset.prepared import PreparedDataset
from recsys.dataset.raw import RawDataset
from recsys.dataset.source_rows import SourceRows
from recsys.settings import PipelineSettings, PostgresSettings
from recsys.sources.loader import load_source
from recsys.sources.simulator import Simulator, Sizes
from recsys.storage import postgres


def test_files_are_those_that_a_way_through_postgres_gives(
    database: PostgresSettings,
    pipeline_settings: PipelineSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = Sizes(users=200, items=80, events=3_000, days=30, property_rows=2_000)
    source = Simulator(sizes, datetime(2026, 1, 1, tzinfo=UTC))
    load_source(source, database)
    stored, direct = tmp_path / "stored", tmp_path / "direct"
    stored.mkdir()
    direct.mkdir()
    with postgres.transaction(database) as cursor:
        write_prepared(RawDataset(cursor, "simulator", 500), stored, pipeline_settings, "simulator")
    monkeypatch.setattr(source_rows, "_ROWS_AT_A_TIME", 300)
    ours = write_prepared(SourceRows(source), direct, pipeline_settings, "simulator")
    theirs = PreparedDataset.open(stored)
    assert ours.profile == theirs.profile
    for name in ("events", "items", "item_history", "categories"):
        mine, other = getattr(ours, name)().collect(), getattr(theirs, name)().collect()
        assert mine.height > 5
        assert mine.equals(other), name


def test_a_chunk_never_splits_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_rows, "_ROWS_AT_A_TIME", 2)
    frame = pl.DataFrame({"user_id": ["a", "b", "b", "b", "c", "d", "d"]})
    chunks: list[list[str]] = []
    source_rows._pass_on(frame, "user_id", lambda chunk: chunks.append(chunk["user_id"].to_list()))
    assert chunks == [["a", "b", "b", "b"], ["c", "d", "d"]]

import tempfile
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from example_frames import frames
from hypothesis import given, settings
from shop_lists import lists

from recsys.errors import BadInputError, IntegrityError
from recsys.publishing.bulk import SnapshotReader, SnapshotWriter
from recsys.publishing.frames import to_lists
from recsys.publishing.snapshot_file import SnapshotFile


def written(path: Path, *parts: pl.DataFrame) -> Path:
    with closing(SnapshotWriter(path)) as writer:
        for part in parts:
            writer.add(part)
        writer.finish({"table": "t", "version": 1})
    return path


@settings(max_examples=60, deadline=None)
@given(frames())
def test_any_frame_comes_back_from_the_file(frame: pl.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        reader = SnapshotReader(written(Path(folder) / "t.lmdb", frame[:2], frame[2:]))
        stored = {row["key"]: row for row in frame.to_dicts()}
        for key, row in stored.items():
            found = reader.get(key)
            assert found is not None
            assert found.items() == row["item_ids"]
            assert found.scores() == pytest.approx(row["scores"])
            assert found.reasons() == row.get("reasons")
            assert found.based_on() == row.get("based_on")
        in_bulk = pl.concat([to_lists(chunk, "key") for chunk in reader.chunks(2)]) if stored else pl.DataFrame()
        assert {row["key"]: row for row in in_bulk.to_dicts()} == stored
        assert set(reader.keys()) == set(stored)
        assert len(reader) == len(stored)
        assert reader.get("no such key") is None


def test_the_file_grows_as_needed_and_stays_compact(tmp_path: Path) -> None:
    frame = lists("item", 30_000, 100)
    frame = frame.with_columns(key=pl.format("{}", pl.int_range(30_000).cast(pl.String).str.zfill(6)))
    path = written(tmp_path / "t.lmdb", frame[:9_000], frame[9_000:])
    assert path.stat().st_size > 40_000_000
    assert path.stat().st_size < 1.5 * 30_000 * (100 * (len("item-10") + 1 + 4) + 16)
    found = SnapshotFile(path).get("029999")
    assert found is not None
    assert found.items(2) == ["item-0", "item-1"]


def test_too_many_reasons_are_refused(tmp_path: Path) -> None:
    frame = lists("a", 1, 300).with_columns(reasons=pl.Series([[str(reason) for reason in range(300)]]))
    with pytest.raises(BadInputError, match="More than 256 different reasons"):
        written(tmp_path / "t.lmdb", frame)


@pytest.mark.parametrize("damage", ["truncated", "garbage", "empty", "missing", "unfinished"])
def test_a_damaged_file_is_refused(tmp_path: Path, damage: str) -> None:
    path = written(tmp_path / "t.lmdb", lists("a", 1_000))
    if damage == "truncated":
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
    elif damage == "garbage":
        path.write_bytes(b"\x5a" * 100_000)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "missing":
        path.unlink()
    else:
        path = tmp_path / "unfinished.lmdb"
        with closing(SnapshotWriter(path)) as writer:
            writer.add(lists("a"))
    with pytest.raises(IntegrityError, match=r"snapshot file|cut short"):
        SnapshotFile(path)

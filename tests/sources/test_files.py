"""Files as they come: plain, gzipped, zipped."""

import gzip
import zipfile
from pathlib import Path

import pytest

from recsys.errors import BadInputError
from recsys.sources import files

CONTENT = b"a,b\n1,2\n" * 1_000


@pytest.fixture
def variants(tmp_path: Path) -> list[files.DataFile]:
    """The same content plain, gzipped, and zipped."""
    (tmp_path / "x.csv").write_bytes(CONTENT)
    (tmp_path / "y.csv.gz").write_bytes(gzip.compress(CONTENT, 1))
    with zipfile.ZipFile(tmp_path / "z.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.csv", CONTENT)
        archive.writestr("__MACOSX/._x.csv", b"finder's own")
    found = [files.find(tmp_path, name) for name in ("x.csv", "y.csv", "z.csv")]
    return [file for file in found if file]


def test_compression_does_not_change_content_size_or_digest(variants: list[files.DataFile]) -> None:
    assert len(variants) == 3
    for file in variants:
        assert b"".join(file.blocks()) == CONTENT
        assert file.size == len(CONTENT)
    assert len({file.sha256 for file in variants}) == 1


def test_a_file_is_found_anywhere_in_an_archive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        archive.writestr("folder/events.csv", CONTENT)
        archive.writestr("category_tree.csv", b"")
    found = files.find(tmp_path / "archive.zip", "events.csv")
    assert found is not None
    assert b"".join(found.blocks()) == CONTENT
    assert files.find(tmp_path / "archive.zip", "other.csv") is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    path.write_bytes(gzip.compress(CONTENT)[:40])
    with pytest.raises(BadInputError, match=r"cut.csv.gz is damaged"):
        list(files.at(path).blocks())


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "fake.zip"
    path.write_bytes(CONTENT)
    with pytest.raises(BadInputError, match="not a readable zip"):
        files.at(path)


def test_a_zip_of_several_files_is_ambiguous(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.writestr("a.csv", b"")
        archive.writestr("b.csv", b"")
    with pytest.raises(BadInputError, match=r"holds 2 files, expected one: a.csv, b.csv"):
        files.at(tmp_path / "two.zip")


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"There is no file .*absent.csv"):
        files.at(tmp_path / "absent.csv")

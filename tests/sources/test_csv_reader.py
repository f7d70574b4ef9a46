"""CSV blocks: nothing lost, every row with its line, whatever the block size."""

import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import BadInputError
from recsys.sources import csv_reader, files
from recsys.sources.base import LINE, SURPLUS

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\0"), max_size=6)


def read(path: Path, content: str | bytes) -> pl.DataFrame:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return pl.concat(rows.frame for rows in csv_reader.read(files.at(path)))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1), block=st.integers(1, 40))
def test_reads_what_python_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[list[str]], block: int
) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    rows = [["first", "", ""], *rows]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    frame = read(tmp_path / "rows.csv", out.getvalue())
    expected = [tuple(field or None for field in row) for row in rows if any(row)]
    assert frame.select("a", "b", "c").rows() == expected


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.text('a1,;"\n\r\0 ', max_size=60), block=st.integers(1, 40))
def test_any_text_is_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, block: int) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", block)
    lines = content.count("\n") + content.count("\r") + 2
    try:
        frame = read(tmp_path / "rows.csv", "a,b\n1,2\n" + content)
    except BadInputError:
        return
    assert frame.get_column(LINE).is_sorted()
    assert frame.get_column(LINE).max() <= lines + 1


def test_lines_are_those_an_editor_shows(tmp_path: Path) -> None:
    frame = read(tmp_path / "rows.csv", 'a,b\n1,x\n\n2,"two\nlines"\n3,y\n')
    assert frame.get_column(LINE).to_list() == [2, 4, 6]


def test_lines_stay_right_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 16)
    content = "a,b\n" + "".join(f'{line},"q"\n' if line % 7 == 0 else f"{line},p\n" for line in range(2, 60))
    frame = read(tmp_path / "rows.csv", content)
    assert frame.get_column(LINE).cast(pl.String).to_list() == frame.get_column("a").to_list()


@pytest.mark.parametrize("quote", ["", '"'])
def test_surplus_fields_are_kept_and_missing_ones_are_null(tmp_path: Path, quote: str) -> None:
    frame = read(tmp_path / "rows.csv", f"a,b\n1,{quote}x{quote},more,and more\n2\n")
    assert frame.select("a", "b", SURPLUS).rows() == [("1", "x", "more,and more"), ("2", None, None)]


def test_a_stray_quote_costs_its_block_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 64)
    monkeypatch.setattr(csv_reader, "MAX_ROW_BYTES", 48)
    lines = [f"{number},value" for number in range(100)]
    lines[50] = '50,"never closed'
    frame = read(tmp_path / "rows.csv", "a,b\n" + "\n".join(lines) + "\n")
    assert frame.height > 85
    assert "99" in frame.get_column("a")


def test_an_inch_mark_inside_a_field_is_just_a_character(tmp_path: Path) -> None:
    assert read(tmp_path / "rows.csv", 'a,b\n1,5" nail\n2,x\n').get_column("b").to_list() == ['5" nail', "x"]


def test_windows_line_ends_and_a_byte_order_mark_are_no_content(tmp_path: Path) -> None:
    frame = read(tmp_path / "rows.csv", b"\xef\xbb\xbfa,b\r\n1,x\r\n2,y\r\n")
    assert frame.select("a", "b").rows() == [("1", "x"), ("2", "y")]


def test_wrong_encoding_names_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK_BYTES", 32)
    content = b"a,b\n" + b"1,plain\n" * 20 + b"2,caf\xe9\n"
    with pytest.raises(BadInputError, match=r"rows.csv, line 22: byte 0xe9 is not UTF-8.*iconv"):
        read(tmp_path / "rows.csv", content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("a,b\n", "has a header but no rows"),
        ("a,b\n\n\n", "has a header but no rows"),
        ("\n1,2\n", "no header"),
        ("a,a\n1,2\n", "'a' twice"),
        ("a,_line\n1,2\n", "'_line', a name we need"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        read(tmp_path / "rows.csv", content)


def test_megabytes_without_a_line_end_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_reader, "MAX_ROW_BYTES", 1_000)
    monkeypatch.setattr(files, "BLOCK_BYTES", 100)
    with pytest.raises(BadInputError, match="row longer than"):
        read(tmp_path / "rows.csv", "x" * 5_000)

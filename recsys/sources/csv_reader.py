"""CSV as text columns, a block at a time, with the line number of every row.

Nothing is guessed and nothing is dropped: every column is text, and rows with too many fields are kept and marked.
"""

import csv
import io
from collections.abc import Iterator

import polars as pl

from recsys.errors import BadInputError
from recsys.sources.base import LINE, REASON, SURPLUS
from recsys.sources.files import DataFile
from recsys.sources.table_input import TextRows

MAX_ROW_BYTES = 4 << 20

# Python's own limit is 128 KiB, less than what a stray quote swallows; a block bounds a field anyway.
csv.field_size_limit(1 << 30)


def read(file: DataFile, separator: str = ",") -> Iterator[TextRows]:
    """All rows after the header, and the column `_surplus`; blank lines are skipped.

    Raises:
        BadInputError: the file is empty, has no rows after its header, names a column twice, or is not UTF-8.
    """
    columns: list[str] = []
    line, position, found, is_wide = 1, 0, False, False
    for block in _whole_rows(file):
        position += len(block)
        text = _decode(block, file, line)
        if not columns:
            header, _, text = text.partition("\n")
            columns = _header(header, file, separator)
            is_wide = header.rstrip().endswith(separator)  # a row's surplus may then begin with empty fields
            line += 1
        if '"' in text or is_wide:
            frame, line = _parse_any(text, columns, separator, line)
        else:
            frame, line = _parse_plain(text, columns, separator, line)
        if frame.height:
            found = True
            yield TextRows(frame, position)
    if not columns:
        raise BadInputError(f"{file.name} is empty.", remedy="Export it again; a header and rows are expected.")
    if not found:
        raise BadInputError(f"{file.name} has a header but no rows.", remedy="Export it again with its rows.")


def header(file: DataFile, separator: str = ",") -> list[str]:
    """The column names.

    Raises:
        BadInputError: the file is empty, or its first line is no header.
    """
    first = next(_whole_rows(file), b"")
    return _header(_decode(first, file, 1).partition("\n")[0], file, separator)


def _whole_rows(file: DataFile) -> Iterator[bytes]:
    """The file's bytes, cut only between rows: at a line end that has an even number of quotes before it."""
    rest = b""
    for block in file.blocks():
        data = rest + block
        end = data.rfind(b"\n") + 1
        quotes = data.count(b'"', 0, end)
        cut = end
        while quotes % 2 and cut:
            earlier = data.rfind(b"\n", 0, cut - 1) + 1
            quotes -= data.count(b'"', earlier, cut)
            cut = earlier
        if not cut and len(data) > MAX_ROW_BYTES:
            # No row is that long: there is a quote that nobody closed, and any line end will do.
            cut = end
        rest = data[cut:]
        if cut:
            yield data[:cut]
        elif len(data) > MAX_ROW_BYTES:
            raise BadInputError(
                f"{file.name} has a row longer than {MAX_ROW_BYTES >> 20} MB.", remedy="Give a CSV file of text lines."
            )
    if rest:
        yield rest


def _decode(block: bytes, file: DataFile, line: int) -> str:
    try:
        text = block.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        bad = line + block.count(b"\n", 0, error.start)
        raise BadInputError(
            f"{file.name}, line {bad}: byte 0x{block[error.start]:02x} is not UTF-8 text.",
            remedy="Save the file as UTF-8, for example: iconv -f LATIN1 -t UTF-8 old.csv > new.csv",
        ) from error
    return text


def _header(line: str, file: DataFile, separator: str) -> list[str]:
    columns = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
    while columns and not columns[-1]:
        columns.pop()  # spreadsheets leave separators at the end of every line
    if not columns:
        raise BadInputError(f"{file.name} has no header in its first line.", remedy="Put the column names there.")
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise BadInputError(f"{file.name} names the column {twice!r} twice.", remedy="Rename one of them.")
    if taken := {LINE, REASON, SURPLUS}.intersection(columns):
        raise BadInputError(f"{file.name} has a column {taken.pop()!r}, a name we need.", remedy="Rename it.")
    return columns


def _parse_plain(text: str, columns: list[str], separator: str, line: int) -> tuple[pl.DataFrame, int]:
    """Text without quotes, where every line is a row: the fast way."""
    if not text:
        return pl.DataFrame(), line
    frame = pl.read_csv(
        io.StringIO(text),
        has_header=False,
        separator=separator,
        quote_char=None,
        schema=dict.fromkeys([*columns, SURPLUS], pl.String),
        truncate_ragged_lines=True,
        missing_columns="insert",
        extra_columns="ignore",
        row_index_name=LINE,
        row_index_offset=line,
    )
    if frame.get_column(SURPLUS).null_count() < frame.height:
        # Only the first surplus field is here; nothing of a row that will be rejected shall be lost.
        return _parse_any(text, columns, separator, line)
    filled = frame.filter(~pl.all_horizontal(pl.exclude(LINE).is_null()))
    return filled.cast({LINE: pl.Int64}), line + frame.height


def _parse_any(text: str, columns: list[str], separator: str, line: int) -> tuple[pl.DataFrame, int]:
    """Any text: quoted fields may hold separators, line ends and (doubled) quotes; rows may be too long."""
    width = len(columns)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[list[object]] = []
    start = line
    for fields in reader:
        if any(fields):
            surplus = separator.join(fields[width:]) if any(fields[width:]) else None
            padding = [None] * (width - len(fields))
            rows.append([start, *(field or None for field in fields[:width]), *padding, surplus])
        start = line + reader.line_num
    schema = {LINE: pl.Int64, **dict.fromkeys([*columns, SURPLUS], pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row"), start

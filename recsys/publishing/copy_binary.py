"""Rows for Postgres' `COPY … (format binary)`, built from whole columns.

The binary format carries every text behind its length, so no id can need escaping, and scores need not be printed and
parsed again. See "Binary Format" under COPY in Postgres' documentation, and `array_recv` for arrays: dimensions,
has-nulls, element type, length and lower bound of the dimension, then the elements.
"""

import struct
from collections.abc import Iterator

import numpy as np
import polars as pl
import pyarrow as pa

from recsys.schema import Columns

HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
COLUMNS = (Columns.KEY, Columns.ITEMS, Columns.SCORES, Columns.REASONS, Columns.BASED_ON)

_FIELDS = struct.pack(">h", len(COLUMNS))
_NULL = struct.pack(">i", -1)
_ARRAY = struct.Struct(">iiiIii")  # bytes, dimensions, has nulls, element type, length, lower bound
_TEXT_OID, _FLOAT4_OID = 25, 700


def rows(frame: pl.DataFrame) -> bytes:
    """The rows of a frame that `frames.checked` has passed, in the order of `COLUMNS`; absent columns are null."""
    keys = (struct.pack(">i", len(raw)) + raw for raw in (key.encode() for key in frame[Columns.KEY].to_list()))
    fields: list[Iterator[bytes]] = [keys]
    for name in COLUMNS[1:]:
        if name not in frame.columns:
            fields.append(iter([_NULL] * frame.height))
        elif name == Columns.SCORES:
            fields.append(_arrays(frame[name], _FLOAT4_OID, *_floats(frame[name].explode())))
        else:
            fields.append(_arrays(frame[name], _TEXT_OID, *_texts(frame[name].explode())))
    return b"".join(part for row in zip(*fields, strict=True) for part in (_FIELDS, *row))


def _arrays(lists: pl.Series, oid: int, data: bytes, ends: np.ndarray) -> Iterator[bytes]:
    """Each list as an array field; `data` holds all encoded elements and `ends` where each of them stops."""
    counts = lists.list.len().to_numpy()
    stops = ends[np.cumsum(counts) - 1].tolist() if len(counts) else []
    start = 0
    for count, stop in zip(counts.tolist(), stops, strict=True):
        yield _ARRAY.pack(20 + stop - start, 1, 1, oid, count, 1) + data[start:stop]
        start = stop


def _floats(flat: pl.Series) -> tuple[bytes, np.ndarray]:
    encoded = np.empty(len(flat), dtype=[("length", ">i4"), ("value", ">f4")])
    encoded["length"] = 4
    encoded["value"] = flat.to_numpy()
    return encoded.tobytes(), np.arange(8, 8 * len(flat) + 8, 8)


def _texts(flat: pl.Series) -> tuple[bytes, np.ndarray]:
    """Every text behind its length (null: -1): the text buffer is spread out, the lengths are put into the gaps."""
    array = flat.fill_null("").to_arrow().cast(pa.large_string())
    _, offsets_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, len(array) + 1, array.offset * 8)
    data = np.frombuffer(data_buffer or b"", np.uint8)[offsets[0] : offsets[-1]]
    sizes = np.diff(offsets)
    ends = np.cumsum(sizes + 4)
    gaps = ends - sizes - 4
    stored = np.where(flat.is_null().to_numpy(), -1, sizes).astype(">i4")
    out = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    is_text = np.ones(len(out), bool)
    for byte in range(4):
        is_text[gaps + byte] = False
        out[gaps + byte] = stored.view(np.uint8)[byte::4]
    out[is_text] = data
    return out.tobytes(), ends

"""Snapshot files written and read in bulk, through polars; the service, which reads by key, does without it."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import numpy as np
import orjson
import polars as pl
import pyarrow as pa

from recsys.errors import BadInputError, UnavailableError
from recsys.publishing.codec import META_KEY, SEPARATOR, original_key, pack, storage_key, unpack
from recsys.publishing.snapshot_file import SnapshotFile
from recsys.schema import Columns

_FIRST_MAP_SIZE = 64 << 20
_MAX_REASONS = 256  # a reason is stored as one byte

T = TypeVar("T")


class SnapshotWriter:
    """Builds a file chunk by chunk; memory holds one chunk."""

    def __init__(self, path: Path) -> None:
        # Not synced: a file lost with the machine belongs to a publish that did not happen.
        self._env = lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=_FIRST_MAP_SIZE)
        self._path = path
        self._last = b""
        self._codes: dict[str, int] = {}
        self.keys = self.items = 0

    def add(self, frame: pl.DataFrame) -> None:
        """Write a frame that `frames.checked` has passed.

        Raises:
            BadInputError: one of its keys was added before.
            UnavailableError: the disk is full.
        """
        records = sorted(_encode(frame, self._codes))
        # Ascending chunks are appended, which fills pages whole; LMDB splits them for anything else.
        append = bool(records) and records[0][0] > self._last

        def put(txn: lmdb.Transaction) -> int:
            return int(txn.cursor().putmulti(records, overwrite=False, append=append)[1])

        if self._write(put) != len(records):
            raise BadInputError(
                f"Some keys between {original_key(*records[0])!r} and {original_key(*records[-1])!r}"
                " came in an earlier frame already.",
                remedy="Nothing was published; a key may come only once in a publication.",
            )
        self._last = max(self._last, records[-1][0]) if records else self._last
        self.keys += len(records)
        self.items += int(frame[Columns.ITEMS].list.len().sum())

    def finish(self, description: dict[str, Any]) -> None:
        """Complete the file; `description` is kept in it."""
        meta = {**description, "keys": self.keys, "items": self.items, "reasons": list(self._codes)}
        self._write(lambda txn: txn.put(META_KEY, orjson.dumps(meta)))

    def close(self) -> None:
        """Let go of the file, finished or not."""
        self._env.close()

    def _write(self, action: Callable[[lmdb.Transaction], T]) -> T:
        while True:
            try:
                with self._env.begin(write=True) as txn:
                    return action(txn)
            except lmdb.MapFullError:
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
            except lmdb.Error as error:
                raise UnavailableError(
                    f"The snapshot file {self._path} could not be written: {error}.",
                    remedy="Free space there or point TMPDIR to a roomier disk; the version in service is untouched.",
                ) from error


def _encode(frame: pl.DataFrame, codes: dict[str, int]) -> Iterator[tuple[bytes, bytes]]:
    """Stored key and value of every row: columns become bytes as a whole, a row only cuts its part out of them."""
    keys = frame[Columns.KEY].to_list()
    counts = frame[Columns.ITEMS].list.len().to_list()
    items = frame[Columns.ITEMS].list.join(SEPARATOR).to_list()
    scores = reasons = b""
    based_on: list[bytes | None] = [None] * len(keys)
    if Columns.SCORES in frame.columns:
        scores = frame[Columns.SCORES].explode().to_numpy().astype("<f4").tobytes()
    if Columns.REASONS in frame.columns:
        flat = frame[Columns.REASONS].explode()
        for reason in flat.unique().sort().to_list():
            codes.setdefault(reason, len(codes))
        if len(codes) > _MAX_REASONS:
            raise BadInputError(
                f"More than {_MAX_REASONS} different reasons, {reason!r} among them.",
                remedy="A reason is a code; put what varies into based_on.",
            )
        reasons = flat.replace_strict(codes, return_dtype=pl.UInt8).to_numpy().tobytes()
    if Columns.BASED_ON in frame.columns:
        # An empty text stands for null: `frames.checked` lets no real one pass.
        texts = frame[Columns.BASED_ON].list.eval(pl.element().fill_null(""))
        based_on = [text.encode() for text in texts.list.join(SEPARATOR).to_list()]
    start = 0
    for key, count, names, bases in zip(keys, counts, items, based_on, strict=True):
        end = start + count
        value = pack(count, names.encode(), scores[4 * start : 4 * end], reasons[start:end], bases, key)
        yield storage_key(key), value
        start = end


class SnapshotReader(SnapshotFile):
    """A file read many lists at a time, in long form: `key, item_id, score?, rank, reason?, based_on?`."""

    def lists(self, keys: Iterable[str]) -> pl.DataFrame:
        """The lists of these keys, in their order; keys the table does not have are left out."""
        with self.env.begin() as txn:
            return self._decode(txn.cursor().getmulti([storage_key(key) for key in keys]))

    def chunks(self, rows: int = 20_000) -> Iterator[pl.DataFrame]:
        """The whole table, `rows` keys at a time, sorted by key."""
        records = self.records()
        while batch := list(islice(records, rows)):
            yield self._decode(batch)

    def _decode(self, records: list[tuple[bytes, bytes]]) -> pl.DataFrame:
        parts = [unpack(value) for _, value in records]
        counts = np.array([part.length for part in parts], dtype=np.int64)
        rows = np.repeat(np.arange(len(parts)), counts)
        keys = pl.Series([original_key(*record) for record in records], dtype=pl.String)
        columns = {Columns.KEY: keys.gather(rows), Columns.ITEM: _split([part.items for part in parts])}
        present = parts[0] if parts else unpack(pack(0, b"", b"", b"", None, ""))
        if present.scores:
            columns[Columns.SCORE] = pl.Series(np.frombuffer(b"".join(part.scores for part in parts), "<f4"))
        starts = np.repeat(np.cumsum(counts) - counts, counts)
        columns[Columns.RANK] = pl.Series((np.arange(len(rows)) - starts + 1).astype(np.int32))
        if present.reasons:
            codes = np.frombuffer(b"".join(part.reasons for part in parts), "u1")
            columns["reason"] = pl.Series(self.reasons, dtype=pl.String).gather(codes)
        if present.based_on is not None:
            texts = _split([part.based_on or b"" for part in parts])
            columns[Columns.BASED_ON] = texts.set(texts == "", None)
        return pl.DataFrame(columns)


def _split(blobs: list[bytes]) -> pl.Series:
    """All texts of NUL-joined blobs, one after the other: Arrow's text buffer and offsets, made without a loop."""
    if not blobs:
        return pl.Series([], dtype=pl.String)
    data = np.frombuffer(SEPARATOR.encode().join(blobs) + SEPARATOR.encode(), "u1")
    ends = np.flatnonzero(data == 0)
    offsets = np.concatenate(([0], ends - np.arange(len(ends))))
    texts = pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(data[data != 0]))
    return pl.Series(pl.from_arrow(texts))

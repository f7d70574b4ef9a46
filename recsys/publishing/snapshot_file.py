"""One version of one table as a memory-mapped LMDB file, read by key."""

from collections.abc import Iterable, Iterator
from hashlib import file_digest
from pathlib import Path
from typing import Any

import lmdb
import orjson

from recsys.errors import IntegrityError
from recsys.publishing.codec import META_KEY, RecommendationList, original_key, storage_key


def sha256(path: Path) -> str:
    """The file's checksum, in hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class SnapshotFile:
    """A finished file. Many threads may share it; it is closed when nobody refers to it any more."""

    def __init__(self, path: Path) -> None:
        """Raises:
        IntegrityError: this is not a whole snapshot file.
        """
        try:
            self.env = lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_spare_txns=8)
            # LMDB trusts its page numbers: a file cut short would end the process with SIGBUS at the first look.
            size = (self.env.info()["last_pgno"] + 1) * self.env.stat()["psize"]
            if path.stat().st_size < size:
                raise IntegrityError(f"{path.name} is cut short: {path.stat().st_size} of {size} bytes.")
            with self.env.begin() as txn:
                self.description: dict[str, Any] = orjson.loads(txn.get(META_KEY) or b"{}")
            self.reasons: tuple[str, ...] = tuple(self.description["reasons"])
        except (lmdb.Error, OSError, orjson.JSONDecodeError, KeyError) as error:
            raise IntegrityError(
                f"{path.name} is not a whole snapshot file: {type(error).__name__} {error}.",
                remedy="Publish the table again.",
            ) from error

    def __len__(self) -> int:
        return int(self.description["keys"])

    def get(self, key: str) -> RecommendationList | None:
        """The list of `key`."""
        with self.env.begin() as txn:
            value = txn.get(storage_key(key))
        return None if value is None else RecommendationList(value, self.reasons)

    def get_many(self, keys: Iterable[str]) -> list[RecommendationList | None]:
        """The lists of some keys, in their order; in one transaction, which costs as much as a look-up."""
        with self.env.begin() as txn:
            values = [txn.get(storage_key(key)) for key in keys]
        return [None if value is None else RecommendationList(value, self.reasons) for value in values]

    def keys(self) -> Iterator[str]:
        """All keys, in the file's order (of their UTF-8 bytes)."""
        for stored, value in self.records():
            yield original_key(stored, value)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """All stored keys and values as bytes."""
        with self.env.begin() as txn:
            for record in txn.cursor():
                if record[0] != META_KEY:
                    yield record

"""Data files as they come: plain, gzipped, zipped alone, or together in one zip archive. Always streamed."""

import contextlib
import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Protocol

from recsys.errors import BadInputError

BLOCK_BYTES = 16 << 20


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class DataFile:
    """One file's decompressed bytes.

    Args:
        path: the file on disk.
        member: its name inside the zip archive at `path`.
    """

    path: Path
    member: str | None = None

    @property
    def name(self) -> str:
        """How reports and messages call it."""
        return f"{self.path.name}/{self.member}" if self.member else self.path.name

    def blocks(self) -> Iterator[bytes]:
        """The content, some megabytes at a time.

        Raises:
            BadInputError: the file cannot be read or its compression is damaged.
        """
        try:
            with self._open() as stream:
                while block := stream.read(BLOCK_BYTES):
                    yield block
        # RuntimeError: an encrypted zip, or a compression method that Python does not know.
        except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
            raise BadInputError(
                f"{self.path} is damaged: {error}.", remedy="Fetch or compress the file again."
            ) from error
        except OSError as error:
            raise BadInputError(
                f"{self.path} cannot be read: {error.strerror or error}.", remedy="Correct the path or its permissions."
            ) from error

    @contextlib.contextmanager
    def _open(self) -> Iterator[_Stream]:
        with contextlib.ExitStack() as stack:
            if self.member:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                yield stack.enter_context(archive.open(self.member))
            elif self.path.suffix == ".gz":
                yield stack.enter_context(gzip.GzipFile(self.path))
            else:
                yield stack.enter_context(self.path.open("rb"))

    @cached_property
    def _measure(self) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        for block in self.blocks():
            digest.update(block)
            size += len(block)
        return digest.hexdigest(), size

    @property
    def sha256(self) -> str:
        """Of the decompressed content, so that compressing a file anew does not make it another one."""
        return self._measure[0]

    @property
    def size(self) -> int:
        """Decompressed bytes."""
        return self._measure[1]


def at(path: Path) -> DataFile:
    """The file at `path`; a zip must hold exactly one file.

    Raises:
        BadInputError: there is no such file, or the zip holds several.
    """
    if not path.is_file():
        raise BadInputError(f"There is no file {path}.", remedy="Give the path of an existing file.")
    if path.suffix != ".zip":
        return DataFile(path)
    members = _members(path)
    if len(members) != 1:
        raise BadInputError(
            f"{path} holds {len(members)} files, expected one: {', '.join(members) or 'none'}.",
            remedy="Unpack it and give the file you mean.",
        )
    return DataFile(path, members[0])


def find(place: Path, name: str) -> DataFile | None:
    """The file called `name` (or `name.gz`, `name.zip`) in the folder or zip archive `place`; None if absent."""
    if place.is_dir():
        for candidate in (place / name, place / f"{name}.gz", place / f"{name}.zip"):
            if candidate.is_file():
                return at(candidate)
        return None
    for member in _members(place):
        if PurePosixPath(member).name == name:
            return DataFile(place, member)
    return None


def _members(path: Path) -> list[str]:
    with contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except (zipfile.BadZipFile, OSError) as error:
            raise BadInputError(f"{path} is not a readable zip archive: {error}.", remedy="Fetch it again.") from error
        hidden = ("__MACOSX/", ".")
        return [entry for entry in archive.namelist() if not entry.endswith("/") and not entry.startswith(hidden)]

"""The snapshot files of a host: downloaded and checked by its leader, named by a manifest that its workers follow."""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from recsys.errors import IntegrityError, RecsysError, UnavailableError
from recsys.publishing.snapshot_file import SnapshotFile, sha256
from recsys.storage.object_store import ObjectStore

log = logging.getLogger(__name__)

# One statement, so one consistent set; a dataset without versions yet is a row of nulls.
ACTIVE_VERSIONS = """
select d.name as dataset, a.table_name, a.version, a.generation,
       v.object_key, v.object_sha256, v.object_bytes, v.published_at
from raw.datasets d
left join recs.active_versions a on a.dataset = d.name
left join recs.versions v on v.version = a.version
where d.is_active
"""

POSTGRES, OBJECT_STORE = "postgres", "object_store"
_LONGEST_BACKOFF_S = 60.0


@dataclass(frozen=True)
class Entry:
    """One table's version; `published_at` is an ISO time."""

    version: int
    generation: int
    object_key: str
    sha256: str
    bytes: int
    published_at: str

    @property
    def file_name(self) -> str:
        """Versions of two databases may share a number, contents never share a checksum."""
        return f"{self.version}-{self.sha256[:16]}.lmdb"


@dataclass(frozen=True)
class Manifest:
    """What the workers of this host serve, and what is wrong with it: table, `postgres` or `object_store` -> why."""

    dataset: str | None = None
    tables: dict[str, Entry] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> "Manifest":
        """From the answer to `ACTIVE_VERSIONS`."""
        dataset, tables = None, {}
        for row in rows:
            dataset = row["dataset"]
            if row["table_name"]:
                tables[row["table_name"]] = Entry(
                    row["version"],
                    row["generation"],
                    row["object_key"],
                    row["object_sha256"],
                    row["object_bytes"],
                    row["published_at"].isoformat(),
                )
        return cls(dataset, tables)


class SnapshotCache:
    """A folder of snapshot files. `update` and `report` are the leader's alone."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._store = folder, store
        self.manifest_path = folder / "manifest.json"
        self._verified: set[str] = set()
        self._refused: dict[str, tuple[float, float, RecsysError]] = {}  # file -> not before, pause, why

    def manifest(self) -> Manifest:
        """The last good state; empty before there was any."""
        try:
            raw = orjson.loads(self.manifest_path.read_bytes())
            tables = {table: Entry(**entry) for table, entry in raw["tables"].items()}
            return Manifest(raw["dataset"], tables, raw["problems"])
        except FileNotFoundError:
            return Manifest()
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            log.warning("%s is not readable and will be written anew: %s", self.manifest_path, error)
            return Manifest()

    def update(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Fetch what the pointer names. A table whose file is refused keeps its previous version."""
        wanted, held = Manifest.of(rows), self.manifest()
        tables: dict[str, Entry] = {}
        problems: dict[str, str] = {}
        for table, entry in wanted.tables.items():
            try:
                self._ensure(table, entry)
                tables[table] = entry
            except RecsysError as error:
                problems[OBJECT_STORE if isinstance(error, UnavailableError) else table] = error.message
                if wanted.dataset == held.dataset and table in held.tables:
                    tables[table] = held.tables[table]
        if problems and wanted.dataset != held.dataset and held.tables:
            # Never half of one shop's lists and half of another's.
            self._write(replace(held, problems=problems))
        else:
            self._write(Manifest(wanted.dataset, tables, problems))
        self._remove_unreferenced()

    def report(self, place: str, problem: str) -> None:
        """Tell the workers what is wrong; the next `update` starts with a clean sheet."""
        held = self.manifest()
        self._write(replace(held, problems={**held.problems, place: problem}))

    def _ensure(self, table: str, entry: Entry) -> None:
        """The entry's file is here and whole.

        Raises:
            RecsysError: it is not, and will not be asked for again before a pause that doubles each time.
        """
        if entry.file_name in self._verified:
            return
        not_before, pause, known = self._refused.get(entry.file_name, (0.0, 0.5, None))
        if known and time.monotonic() < not_before:
            raise known
        try:
            self._fetch(table, entry)
        except RecsysError as error:
            pause = min(2 * pause, _LONGEST_BACKOFF_S)
            self._refused[entry.file_name] = (time.monotonic() + pause, pause, error)
            log.warning("Version %s of %s is not taken, next try in %.0f s: %s", entry.version, table, pause, error)
            raise
        self._refused.pop(entry.file_name, None)
        self._verified.add(entry.file_name)

    def _fetch(self, table: str, entry: Entry) -> None:
        path = self.folder / entry.file_name
        if path.exists() and sha256(path) == entry.sha256:  # kept from before a restart
            return
        path.unlink(missing_ok=True)
        self._store.download(entry.object_key, path)
        try:
            if (found := sha256(path)) != entry.sha256:
                raise IntegrityError(
                    f"{entry.object_key} has SHA-256 {found[:16]}… instead of {entry.sha256[:16]}…",
                    remedy="Publish the table again, or roll it back.",
                )
            described = SnapshotFile(path).description
            if (described["table"], described["version"]) != (table, entry.version):
                raise IntegrityError(f"{entry.object_key} says it is {described['table']} {described['version']}.")
            with path.open("rb") as file:
                os.fsync(file.fileno())  # the manifest must not outlive the file it names
        except IntegrityError:
            path.unlink()
            raise

    def _write(self, manifest: Manifest) -> None:
        body = orjson.dumps(manifest)
        if self.manifest_path.exists() and self.manifest_path.read_bytes() == body:
            return
        part = self.manifest_path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.manifest_path)

    def _remove_unreferenced(self) -> None:
        """Unlink files that no worker will open again; who still reads one keeps it until he lets go."""
        kept = {entry.file_name for entry in self.manifest().tables.values()}
        for path in self.folder.glob("*.lmdb*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)
                self._verified.discard(path.name)

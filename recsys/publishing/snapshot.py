"""What the service answers from: the active version of every table, memory-mapped, swapped as a whole.

Only the leader of a host talks to servers; all workers follow the manifest it writes. Whatever is away or broken, the
last good state stays, also over a restart.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import MappingProxyType

from recsys.errors import IntegrityError
from recsys.publishing.changes import Fetch
from recsys.publishing.codec import RecommendationList
from recsys.publishing.leader import HostLeader
from recsys.publishing.snapshot_cache import ACTIVE_VERSIONS, POSTGRES, Entry, SnapshotCache
from recsys.publishing.snapshot_file import SnapshotFile
from recsys.storage.object_store import ObjectStore


@dataclass(frozen=True)
class TableSnapshot:
    """One table's version; `keys` is how many lists it has."""

    entry: Entry
    inode: int
    file: SnapshotFile

    @property
    def version(self) -> int:
        return self.entry.version

    @property
    def published_at(self) -> datetime:
        return datetime.fromisoformat(self.entry.published_at)

    @property
    def keys(self) -> int:
        return len(self.file)


class Snapshot:
    """One consistent set of tables. Immutable: a request takes it once and sees one state to its end."""

    __slots__ = ("dataset", "generation", "tables")

    def __init__(self, dataset: str | None, tables: dict[str, TableSnapshot]) -> None:
        self.dataset = dataset
        self.tables = MappingProxyType(tables)
        self.generation = max((table.entry.generation for table in tables.values()), default=0)

    def get(self, table: str, key: str) -> RecommendationList | None:
        """The list of `key` in `table`; None when there is none, or the table was never published."""
        found = self.tables.get(table)
        return None if found is None else found.file.get(key)

    def get_many(self, table: str, keys: Sequence[str]) -> list[RecommendationList | None]:
        """The lists of some keys in `table`, in their order."""
        found = self.tables.get(table)
        return [None] * len(keys) if found is None else found.file.get_many(keys)


class SnapshotFollower:
    """Keeps `current` at the active versions; one a process."""

    def __init__(self, folder: Path, store: ObjectStore, leader: HostLeader) -> None:
        self._cache = SnapshotCache(folder, store)
        self._leader = leader
        self._seen: tuple[int, int] | None = None
        self.current = Snapshot(None, {})
        self.problems: dict[str, str] = {}
        self._follow()

    async def refresh(self, fetch: Fetch) -> None:
        """Look for a new state once; what is away or full shows in `problems` and is tried again next time."""
        disk: dict[str, str] = {}
        if self._leader.acquire():
            try:
                await self._lead(fetch)
            except OSError as error:
                disk = {"disk": f"{self._cache.folder} cannot be written: {error}"}
        await asyncio.to_thread(self._follow)
        self.problems = {**{place: why for place, why in self.problems.items() if place != "disk"}, **disk}

    async def _lead(self, fetch: Fetch) -> None:
        try:
            rows = await fetch(ACTIVE_VERSIONS)
        except Exception as error:  # whatever the caller's driver raises, the answer is the same: stay as we are
            await asyncio.to_thread(self._cache.report, POSTGRES, f"{type(error).__name__}: {error}")
        else:
            await asyncio.to_thread(self._cache.update, rows)

    def _follow(self) -> None:
        """Adopt the manifest if it changed."""
        try:
            stat = self._cache.manifest_path.stat()
        except FileNotFoundError:
            return
        if self._seen == (stat.st_ino, stat.st_mtime_ns):
            return
        manifest = self._cache.manifest()
        problems = dict(manifest.problems)
        before = self.current.tables if self.current.dataset == manifest.dataset else {}
        tables: dict[str, TableSnapshot] = {}
        for table, entry in manifest.tables.items():
            try:
                tables[table] = self._opened(entry, self.current.tables.get(table))
            except (IntegrityError, OSError) as error:
                problems[table] = str(error)
                if table in before:
                    tables[table] = before[table]
        self.current = Snapshot(manifest.dataset, tables)
        self.problems = problems
        # A file that could not be opened (the leader may just have replaced it) is tried again at the next look.
        self._seen = (stat.st_ino, stat.st_mtime_ns) if problems == manifest.problems else None

    def _opened(self, entry: Entry, held: TableSnapshot | None) -> TableSnapshot:
        path = self._cache.folder / entry.file_name
        inode = path.stat().st_ino
        if held and (held.entry, held.inode) == (entry, inode):
            return held
        if held and held.inode == inode:  # the same file under a new flip: it is open already, and may be only once
            return TableSnapshot(entry, inode, held.file)
        return TableSnapshot(entry, inode, SnapshotFile(path))

"""The recent store: what users and sessions did a moment ago, in one memory-mapped file shared by a host's workers.

It is a cache of `raw.collected_events`: nothing is lost with it, so commits are not synced to disk. A kill -9 of any
process leaves it whole (LMDB writes pages aside and flips its root; its lock survives dead owners). After a crash of
the machine it is not trusted but begun anew, as when LMDB finds it damaged; the tailer then fills it from Postgres.
"""

import fcntl
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import lmdb
import orjson

from recsys.errors import UnavailableError
from recsys.publishing.codec import SEPARATOR
from recsys.publishing.history import FORMAT, NOTHING, History, RecentEvent

log = logging.getLogger(__name__)

T = TypeVar("T")

_FILL = 0.6  # evict above this share of the bound: copy-on-write needs room for the pages it replaces
_EVICT_AT_ONCE = 200
_KEYS_AT_ONCE = 100
_FORGET_AT_ONCE = 5_000
_LONGEST_KEY = 480  # of LMDB's 511 bytes, the index adds the minute
_POSITION = b"position"
_DAMAGED = (
    lmdb.CorruptedError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.InvalidError,
    lmdb.VersionMismatchError,
    lmdb.BadTxnError,
)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class RecentStore:
    """Last events and purchases by user and by session. Many processes of a host may read and write it."""

    def __init__(self, folder: Path, max_bytes: int, events_per_key: int) -> None:
        """`max_bytes` bounds the file; the records written longest ago make room for new ones."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._max_bytes, self._keep = folder, max_bytes, events_per_key
        self._data = folder / "data.mdb"
        self._inode = -1
        with self._exclusive():
            if self._boot_marker() != self._read_boot_marker():
                self._discard()
            self._open()

    def user(self, dataset: str, user_id: str) -> History:
        """What `user_id` did last."""
        return self._read(_key("u", dataset, user_id))

    def session(self, dataset: str, session_id: str) -> History:
        """What happened in this session last."""
        return self._read(_key("s", dataset, session_id))

    def add(self, events: Iterable[RecentEvent]) -> None:
        """Take in events, in any order, as often as one likes.

        Raises:
            UnavailableError: the disk is full; the tailer brings the events in when it no longer is.
        """
        by_key: dict[bytes, list[RecentEvent]] = defaultdict(list)
        for event in events:
            if event.user_id:
                by_key[_key("u", event.dataset, event.user_id)].append(event)
            if event.session_id:
                by_key[_key("s", event.dataset, event.session_id)].append(event)
        # In small transactions: other workers wait for the writer's lock, and replaced pages are free again only later.
        records = iter(by_key.items())
        while some := dict(islice(records, _KEYS_AT_ONCE)):
            self._write(partial(self._add, by_key=some))

    def forget(self, dataset: str, user_id: str | None, session_ids: Iterable[str]) -> None:
        """Drop a user's record, if one is given, and those of sessions."""
        keys = [_key("s", dataset, session_id) for session_id in session_ids]
        if user_id is not None:
            keys.append(_key("u", dataset, user_id))
        self._write(partial(self._forget, keys=keys))

    def forget_if(self, dataset: str, erased: Callable[[str], bool]) -> None:
        """Drop the records of those users, and of sessions as `session:…`, that are erased; looks at all records.

        Users with an id so long that only its hash is kept stay until they are evicted.
        """
        start = b""
        while True:
            with self._env.begin(db=self._records) as txn:
                cursor = txn.cursor()
                found = list(islice(cursor.iternext(values=False), _FORGET_AT_ONCE)) if cursor.set_range(start) else []
            gone = [key for key in found if erased(_user_of(key, dataset))]
            if gone:
                self._write(partial(self._forget, keys=gone))
            if len(found) < _FORGET_AT_ONCE:
                return
            start = found[-1] + b"\0"

    def position(self) -> dict[str, Any] | None:
        """Where the tailer stands; None for a store that has yet to be filled."""
        with self._env.begin() as txn:
            raw = txn.get(_POSITION)
        return orjson.loads(raw) if raw else None

    def save_position(self, position: dict[str, Any]) -> None:
        """Remember where the tailer stands."""
        self._write(lambda txn: txn.put(_POSITION, orjson.dumps(position)))

    def bytes_used(self) -> int:
        """Bytes of pages that hold records."""
        with self._env.begin() as txn:
            return self._bytes_used(txn)

    def reopen_if_replaced(self) -> None:
        """Notice that another process began the store anew; cheap, made to be called at every tick."""
        if not self._is_open():
            with self._exclusive():
                self._open()

    def _read(self, key: bytes) -> History:
        try:
            with self._env.begin(db=self._records) as txn:
                data = txn.get(key)
        except _DAMAGED as error:
            self._begin_anew(error)
            data = None
        return History(bytes(data)) if data else NOTHING

    def _add(self, txn: lmdb.Transaction, by_key: dict[bytes, list[RecentEvent]]) -> None:
        minute = int(time.time() // 60)
        for key, events in by_key.items():
            held = History(bytes(txn.get(key, db=self._records) or b""))
            record = held.with_events(events, self._keep, minute)
            if record is None:
                continue
            if held.minute != minute:
                txn.delete(_written(held.minute, key), db=self._index)
                txn.put(_written(minute, key), b"", db=self._index)
            txn.put(key, record, db=self._records)
        self._evict(txn, _FILL)

    def _forget(self, txn: lmdb.Transaction, keys: list[bytes]) -> None:
        for key in keys:
            data = txn.get(key, db=self._records)
            if data is not None:
                txn.delete(_written(History(bytes(data)).minute, key), db=self._index)
                txn.delete(key, db=self._records)

    def _evict(self, txn: lmdb.Transaction, fill: float) -> None:
        while self._bytes_used(txn) > fill * self._max_bytes:
            cursor = txn.cursor(db=self._index)
            if not cursor.first():
                return
            for _ in range(_EVICT_AT_ONCE):
                txn.delete(cursor.key()[4:], db=self._records)
                if not cursor.delete():
                    break

    def _bytes_used(self, txn: lmdb.Transaction) -> int:
        stats = (txn.stat(db) for db in (self._records, self._index))
        return sum((s["branch_pages"] + s["leaf_pages"] + s["overflow_pages"]) * s["psize"] for s in stats)

    def _write(self, action: Callable[[lmdb.Transaction], T]) -> T:
        try:
            with self._env.begin(write=True) as txn:
                return action(txn)
        except lmdb.MapFullError as error:
            if not self._env.reader_check():  # else dead readers have pinned old pages
                self._begin_anew(error)
        except _DAMAGED as error:
            self._begin_anew(error)
        except lmdb.Error as error:
            raise UnavailableError(
                f"The recent store {self._folder} cannot be written: {error}.", remedy="Free space on its disk."
            ) from error
        with self._env.begin(write=True) as txn:
            return action(txn)

    def _begin_anew(self, error: Exception) -> None:
        log.error("The recent store %s is begun anew and will be filled from Postgres: %s", self._folder, error)
        with self._exclusive():
            if self._is_open():
                self._discard()
            self._open()

    def _is_open(self) -> bool:
        """Whether what we have open is still the store."""
        return self._data.exists() and self._data.stat().st_ino == self._inode

    def _open(self) -> None:
        if self._is_open():  # another thread was faster, and LMDB opens a file only once in a process
            return
        try:
            self._open_file()
        except _DAMAGED as error:
            log.error("The recent store %s is damaged and begun anew: %s", self._folder, error)
            self._discard()
            self._open_file()
        self._folder.joinpath("boot_id").write_text(self._boot_marker())

    def _open_file(self) -> None:
        self._env = lmdb.open(
            str(self._folder), map_size=self._max_bytes, max_dbs=2, sync=False, metasync=False, max_readers=512
        )
        # LMDB trusts its page numbers: a file cut short would end the process with SIGBUS at the first look.
        if (self._env.info()["last_pgno"] + 1) * self._env.stat()["psize"] > self._data.stat().st_size:
            self._env.close()
            raise lmdb.CorruptedError("the file is cut short")
        self._env.reader_check()
        self._records = self._env.open_db(b"records")
        self._index = self._env.open_db(b"written")
        self._inode = self._data.stat().st_ino

    def _discard(self) -> None:
        """Remove the file; processes that have it open go on with it until they notice."""
        for name in ("data.mdb", "lock.mdb"):
            self._folder.joinpath(name).unlink(missing_ok=True)

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with self._folder.joinpath("open.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @staticmethod
    def _boot_marker() -> str:
        """Changes with every start of the machine, and with the layout of a record."""
        return f"{FORMAT} {_BOOT_ID.read_text() if _BOOT_ID.exists() else ''}"

    def _read_boot_marker(self) -> str:
        path = self._folder / "boot_id"
        return path.read_text() if path.exists() else ""


def _key(kind: str, dataset: str, name: str) -> bytes:
    raw = f"{kind}{dataset}{SEPARATOR}{name}".encode("utf-8", "surrogatepass")
    return raw if len(raw) <= _LONGEST_KEY else b"\xff" + sha256(raw).digest()


def _user_of(key: bytes, dataset: str) -> str:
    """Whose record it is, sessions as the guests they are; empty for those of other datasets."""
    kind, rest = key[:1], key[1:]
    prefix = f"{dataset}{SEPARATOR}".encode()
    if not rest.startswith(prefix):
        return ""
    name = rest[len(prefix) :].decode("utf-8", "surrogatepass")
    return name if kind == b"u" else f"session:{name}"


def _written(minute: int, key: bytes) -> bytes:
    """Key of the index that eviction goes by."""
    return minute.to_bytes(4, "big") + key

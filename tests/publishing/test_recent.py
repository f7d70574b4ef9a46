import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recsys.errors import UnavailableError
from recsys.publishing import recent
from recsys.publishing.history import RecentEvent
from recsys.publishing.recent import RecentStore
from recsys.schema import EventType

MB = 1 << 20


def event(
    number: int, user: str | None = "u", session: str | None = None, *, kind: EventType = EventType.VIEW
) -> RecentEvent:
    return RecentEvent("shop", f"{user}-{session}-{number}", number, f"item-{number}", kind, user, session)


def items(store: RecentStore, user: str = "u", limit: int | None = None) -> list[str]:
    return [past.item_id for past in store.user("shop", user).events(limit)]


@pytest.fixture
def store(tmp_path: Path) -> RecentStore:
    return RecentStore(tmp_path / "recent", 16 * MB, 5)


def test_the_last_events_of_users_and_sessions(store: RecentStore) -> None:
    store.add(event(number, "u", "s") for number in range(10))
    store.add([event(99, None, "other", kind=EventType.PURCHASE)])
    assert items(store) == [f"item-{number}" for number in (9, 8, 7, 6, 5)]
    assert items(store, limit=2) == ["item-9", "item-8"]
    assert len(store.session("shop", "s").events()) == 5
    assert store.session("shop", "other").purchased() == ["item-99"]
    assert store.user("shop", "s").events() == [], "a session is no user"
    assert store.user("other shop", "u").events() == []
    assert store.user("shop", "\ud800" * 9_000).events() == []


def test_long_keys_are_kept_apart(store: RecentStore) -> None:
    store.add([event(1, "k" * 5_000), event(2, "k" * 5_001)])
    assert items(store, "k" * 5_000) == ["item-1"]
    assert items(store, "k" * 5_001) == ["item-2"]


def test_bytes_are_bounded_and_the_longest_unwritten_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RecentStore(tmp_path / "recent", 2 * MB, 50)
    clock = [60.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    store.add([event(0, "first"), event(0, "kept")])
    for minute in range(2, 100):
        clock[0] = 60.0 * minute
        store.add(event(number, f"user-{minute}-{number % 50}") for number in range(1_000))
        store.add([event(minute, "kept")])
    assert store.bytes_used() <= 2 * MB
    assert (tmp_path / "recent" / "data.mdb").stat().st_size <= 2 * MB
    assert items(store, "first") == []
    assert len(items(store, "kept")) == 50
    assert len(items(store, "user-99-7")) == 20


def test_it_lasts_over_a_restart_of_the_process_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RecentStore(tmp_path / "recent", 16 * MB, 5)
    store.add([event(1)])
    store.save_position({"at": "then"})
    del store
    store = RecentStore(tmp_path / "recent", 16 * MB, 5)
    assert items(store) == ["item-1"]
    assert store.position() == {"at": "then"}
    del store
    (tmp_path / "boot").write_text("another boot: pages not yet on disk are lost, so nothing is trusted")
    monkeypatch.setattr(recent, "_BOOT_ID", tmp_path / "boot")
    store = RecentStore(tmp_path / "recent", 16 * MB, 5)
    assert items(store) == []
    assert store.position() is None


@pytest.mark.parametrize("damage", [b"", b"\x5a" * 50_000, None])
def test_a_damaged_store_is_begun_anew(tmp_path: Path, damage: bytes | None) -> None:
    store = RecentStore(tmp_path / "recent", 16 * MB, 5)
    store.add(event(number, f"u{number}") for number in range(2_000))
    store.save_position({"at": "then"})
    del store
    path = tmp_path / "recent" / "data.mdb"
    path.write_bytes(path.read_bytes()[:20_000] if damage is None else damage)
    store = RecentStore(tmp_path / "recent", 16 * MB, 5)
    assert store.position() is None, "the tailer will fill it"
    store.add([event(1)])
    assert items(store) == ["item-1"]


def test_big_batches_fit_into_the_smallest_store(store: RecentStore, tmp_path: Path) -> None:
    inode = (tmp_path / "recent" / "data.mdb").stat().st_ino
    for batch in range(60):
        some = range(batch * 1_000, batch * 1_000 + 1_000)
        store.add(replace(event(number, f"u{number % 7_919}"), item_id=f"{number:0200d}") for number in some)
    assert len(items(store, f"u{59_999 % 7_919}")) == 5
    assert (tmp_path / "recent" / "data.mdb").stat().st_ino == inode, "never begun anew"
    assert (tmp_path / "recent" / "data.mdb").stat().st_size <= 16 * MB


def test_a_full_disk_is_named_and_loses_nothing(store: RecentStore) -> None:
    store.add([event(1)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(UnavailableError, match="cannot be written"):
            store.add(event(number, f"u{number}") for number in range(5_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert items(store) == ["item-1"]
    store.add([event(2)])
    assert items(store) == ["item-2", "item-1"]


WRITER = """
import sys
from pathlib import Path
from recsys.publishing.history import RecentEvent
from recsys.publishing.recent import RecentStore
store = RecentStore(Path(sys.argv[1]), 16 << 20, 50)
print("ready", flush=True)
for number in range(int(sys.argv[3])):
    store.add([RecentEvent("shop", f"{sys.argv[2]}-{number}", number, f"item-{number}", "view", sys.argv[2], "shared")])
"""


def writer(folder: Path, name: str, events: int) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", WRITER, str(folder), name, str(events)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)


@pytest.fixture
def writers(tmp_path: Path) -> Iterator[list["subprocess.Popen[bytes]"]]:
    children: list[subprocess.Popen[bytes]] = []
    yield children
    for child in children:
        child.kill()
        child.communicate()


def test_several_processes_write_and_see_each_other(store: RecentStore, tmp_path: Path, writers: list[object]) -> None:
    children = [writer(tmp_path / "recent", name, 300) for name in ("a", "b")]
    writers += children
    assert [child.wait(60) for child in children] == [0, 0]
    assert items(store, "a", 1) == items(store, "b", 1) == ["item-299"]
    shared = store.session("shop", "shared").events()
    assert len(shared) == 50
    assert [past.timestamp_ms for past in shared[:4]] == [299, 299, 298, 298]


def test_it_survives_kill_9_of_a_writer(store: RecentStore, tmp_path: Path, writers: list[object]) -> None:
    child = writer(tmp_path / "recent", "victim", 10_000_000)
    writers.append(child)
    assert child.stdout is not None
    child.stdout.readline()
    for _ in range(3):
        time.sleep(0.05)
        store.add([event(1, "survivor")])
    child.send_signal(signal.SIGKILL)
    child.wait()
    store.add([event(2, "survivor")])
    assert items(store, "survivor") == ["item-2", "item-1"]
    newest = [past.timestamp_ms for past in store.user("shop", "victim").events()]
    assert newest == list(range(newest[0], max(newest[0] - 50, -1), -1)), "whole events, none missing in between"


def test_another_process_notices_a_store_begun_anew(store: RecentStore, tmp_path: Path) -> None:
    store.add([event(1)])
    store.save_position({"at": "then"})
    for name in ("data.mdb", "lock.mdb"):
        (tmp_path / "recent" / name).unlink()
    assert items(store) == ["item-1"], "not yet noticed"
    store.reopen_if_replaced()
    assert items(store) == []
    assert store.position() is None

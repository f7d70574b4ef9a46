import asyncio
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from shop_lists import lists, rows, run

from recsys.errors import NotReadyError
from recsys.pipeline.context import RunContext
from recsys.publishing import pointer
from recsys.publishing.changes import Fetch
from recsys.publishing.leader import HostLeader
from recsys.publishing.snapshot import SnapshotFollower
from recsys.publishing.versions import publish
from recsys.schema import RecommendationTable
from recsys.settings import ObjectStoreSettings
from recsys.stack.process import free_port
from recsys.storage import postgres
from recsys.storage.object_store import ObjectStore

TABLE, OTHER = RecommendationTable.PERSONALIZED, RecommendationTable.SIMILAR


@pytest.fixture
def leader(tmp_path: Path) -> HostLeader:
    """This test's process is the leader, over restarts of the follower too."""
    return HostLeader(tmp_path / "leader.lock")


def mark(follower: SnapshotFollower, table: RecommendationTable = TABLE) -> str | None:
    """Which publication is being served."""
    found = follower.current.get(table, "u0")
    return found.items(1)[0].split("-")[0] if found else None


def nowhere() -> ObjectStore:
    return ObjectStore(
        ObjectStoreSettings(
            endpoint_url=f"http://127.0.0.1:{free_port()}", access_key="x", secret_key="not-a-default-1"
        )
    )


async def gone(*_: Any) -> Sequence[Any]:
    raise ConnectionRefusedError("nobody there")


async def test_a_follower_serves_each_new_version(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    assert (served.current.dataset, served.current.generation, mark(served)) == ("shop", 0, None)
    first = publish(context, TABLE, [lists("a")])
    await served.refresh(fetch)
    before = served.current
    assert mark(served) == "a"
    assert before.get(TABLE, "nobody") is None
    assert before.tables[TABLE].version == first.version
    assert before.tables[TABLE].keys == 3
    publish(run(context, "run-2"), TABLE, [lists("b")])
    publish(context, OTHER, [lists("o")])
    await served.refresh(fetch)
    assert (mark(served), mark(served, OTHER)) == ("b", "o")
    assert served.current.generation > before.generation
    held = before.get(TABLE, "u0")
    assert held is not None
    assert held.items(1) == ["a-0"], "a request that took the old snapshot keeps it"
    pointer.rollback(context.postgres, "shop", TABLE)
    await served.refresh(fetch)
    assert mark(served) == "a"
    assert len(list((tmp_path / "snapshots").glob("*.lmdb"))) == 2
    assert served.problems == {}


async def test_nothing_is_opened_or_written_again_without_a_change(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    before, written = served.current, (tmp_path / "snapshots" / "manifest.json").stat().st_mtime_ns
    await served.refresh(fetch)
    assert served.current is before
    assert (tmp_path / "snapshots" / "manifest.json").stat().st_mtime_ns == written


async def test_a_corrupt_file_is_refused_and_the_old_one_kept(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    key = publish(run(context, "run-2"), TABLE, [lists("b")]).object_key
    publish(context, OTHER, [lists("o")])
    whole = context.store.get(key)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    context.store.put(key, bytes(flipped))
    await served.refresh(fetch)
    assert (mark(served), mark(served, OTHER)) == ("a", "o")
    assert "SHA-256" in served.problems[TABLE]
    assert [path.name for path in (tmp_path / "snapshots").glob(f"{key.split('/')[-1][:-5]}-*")] == []
    context.store.put(key, whole)
    await served.refresh(fetch)
    assert mark(served) == "a", "not asked for again at once"
    await asyncio.sleep(1.1)
    await served.refresh(fetch)
    assert (mark(served), served.problems) == ("b", {})


async def test_a_file_of_another_table_is_refused(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    published = publish(context, TABLE, [lists("a")])
    publish(context, OTHER, [lists("o")])
    take = "object_key, object_sha256, object_bytes"
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute(
            f"update recs.versions set ({take}) = (select {take} from recs.versions where table_name = %s)"
            " where version = %s",
            (str(OTHER), published.version),
        )
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    assert "says it is similar_items" in served.problems[TABLE]
    assert (mark(served), mark(served, OTHER)) == (None, "o")


async def test_without_servers_the_last_state_stays_also_over_a_restart(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    folder = tmp_path / "snapshots"
    await SnapshotFollower(folder, context.store, leader).refresh(fetch)
    served = SnapshotFollower(folder, nowhere(), leader)
    assert mark(served) == "a", "before any server was asked"
    await served.refresh(gone)
    assert (mark(served), served.problems) == ("a", {"postgres": "ConnectionRefusedError: nobody there"})
    await served.refresh(fetch)
    assert (mark(served), served.problems) == ("a", {}), "the file is here, the store is not needed"
    publish(run(context, "run-2"), TABLE, [lists("b")])
    await served.refresh(fetch)
    assert mark(served) == "a"
    assert served.problems.keys() == {"object_store"}


async def test_a_full_disk_keeps_the_old_version(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    publish(run(context, "run-2"), TABLE, [lists("b", 5_000)])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # what a full disk is to a process
    try:
        await served.refresh(fetch)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert mark(served) == "a"
    assert "cannot be written" in served.problems["disk"]
    assert len(list((tmp_path / "snapshots").iterdir())) == 2, "the manifest and the file in service"
    await served.refresh(fetch)
    assert (mark(served), served.problems) == ("b", {})


async def test_an_object_that_is_gone_is_reported(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    context.store.delete(publish(context, TABLE, [lists("a")]).object_key)
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    assert "does not exist" in served.problems[TABLE]


async def test_a_damaged_local_state_is_fetched_anew(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    folder = tmp_path / "snapshots"
    await SnapshotFollower(folder, context.store, leader).refresh(fetch)
    (path,) = folder.glob("*.lmdb")
    path.write_bytes(path.read_bytes()[:5000])
    (folder / "left.lmdb.part").write_bytes(b"of a killed leader")
    served = SnapshotFollower(folder, context.store, leader)
    assert mark(served) is None
    assert "cut short" in served.problems[TABLE]
    await served.refresh(fetch)
    assert (mark(served), served.problems) == ("a", {})
    (folder / "manifest.json").write_text("{broken")
    served = SnapshotFollower(folder, context.store, leader)
    await served.refresh(fetch)
    assert mark(served) == "a"
    assert sorted(found.suffix for found in folder.iterdir()) == [".json", ".lmdb"]


async def test_switching_the_dataset_never_mixes_two_shops(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    publish(context, TABLE, [lists("a")])
    publish(context, OTHER, [lists("a")])
    served = SnapshotFollower(tmp_path / "snapshots", context.store, leader)
    await served.refresh(fetch)
    with postgres.transaction(context.postgres) as cursor:
        cursor.execute("update raw.datasets set is_active = false")
        cursor.execute("insert into raw.datasets (name, source, is_active) values ('second', 'csv', true)")
    second = RunContext("run-1", "second", context.settings, context.postgres, context.store, context.mlflow)
    key = publish(second, TABLE, [lists("s")]).object_key
    publish(second, OTHER, [lists("s")])
    whole = context.store.get(key)
    context.store.put(key, whole[:-1] + b"!")
    await served.refresh(fetch)
    assert (served.current.dataset, mark(served), mark(served, OTHER)) == ("shop", "a", "a")
    assert served.problems.keys() == {TABLE}
    context.store.put(key, whole)
    await asyncio.sleep(1.1)
    await served.refresh(fetch)
    assert (served.current.dataset, mark(served), mark(served, OTHER)) == ("second", "s", "s")


READER = """
import asyncio, sys, time
from pathlib import Path
from recsys.publishing.leader import HostLeader
from recsys.publishing.snapshot import SnapshotFollower

async def main(folder):
    follower = SnapshotFollower(folder, None, HostLeader(folder.with_name("leader.lock")))
    seen, reads = [], 0
    print("ready", flush=True)
    while not (folder / "stop").exists():
        await follower.refresh(None)  # never the leader, so nothing is fetched
        for _ in range(200):
            snapshot = follower.current
            marks = {i.split("-")[0] for key in ("u0", "u1") for i in snapshot.get("similar_items", key).items()}
            assert len(marks) == 1, marks
            reads += 1
            if marks != set(seen[-1:]):
                seen += marks
    print(reads, *seen)

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_readers_in_other_threads_and_processes_never_see_a_mix(
    context: RunContext, fetch: Fetch, leader: HostLeader, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    publish(context, OTHER, [lists("v0", 200, 50)])
    main = SnapshotFollower(folder, context.store, leader)
    await main.refresh(fetch)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen([sys.executable, "-c", READER, str(folder)], env=environment, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert await asyncio.to_thread(child.stdout.readline) == b"ready\n"
    mixed: list[set[str]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            snapshot = main.current
            found = [snapshot.get(OTHER, key) for key in ("u0", "u150")]
            marks = {item.split("-")[0] for each in found if each for item in each.items()}
            if len(marks) != 1:
                mixed.append(marks)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for version in range(1, 6):
        await asyncio.to_thread(publish, run(context, f"run-{version}"), OTHER, [lists(f"v{version}", 200, 50)])
        await main.refresh(fetch)
        await asyncio.sleep(0.1)
    done.set()
    (folder / "stop").touch()
    output, _ = child.communicate(timeout=60)
    for thread in threads:
        thread.join()
    assert mixed == []
    reads, *seen = output.decode().split()
    assert int(reads) > 200
    assert seen == sorted(seen)
    assert seen[-1] == "v5"


def test_no_pointer_row_names_a_version_that_is_not_ready(context: RunContext) -> None:
    with pytest.raises(NotReadyError):
        pointer.rollback(context.postgres, "shop", TABLE)
    publish(context, TABLE, [lists("a")])
    assert rows(
        context, "select count(*) from recs.active_versions join recs.versions using (version) where status <> 'ready'"
    ) == [(0,)]

"""Loads a source into Postgres: all of it or, whatever happens, nothing.

One transaction holds the whole load. Rows go by COPY into new tables that are attached as partitions at its end;
Postgres forgets them if this process dies. While Postgres takes one chunk in, a thread prepares the next.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import orjson
import psycopg2

from recsys.errors import BadInputError, UnavailableError
from recsys.schema import RawTable
from recsys.settings import PostgresSettings
from recsys.sources import datasets, partitions
from recsys.sources.base import Chunk, Input, Source
from recsys.sources.report import LoadReport, RejectedRows, TableLoad
from recsys.storage import postgres
from recsys.storage.postgres import Cursor

# Told the input's name, how much of it is done, and its size.
Progress = Callable[[str, int, int], None]

T = TypeVar("T")


def load_source(
    source: Source,
    database: PostgresSettings,
    *,
    dataset: str | None = None,
    replace: bool = False,
    progress: Progress = lambda name, done, size: None,
) -> LoadReport:
    """Load all inputs of `source` into one dataset and make it the active one.

    An input whose content that dataset already holds is left out; loading the same again therefore changes nothing.

    Args:
        dataset: its name; by default that of the source.
        replace: drop what the dataset held before, in the same transaction.

    Raises:
        BadInputError: an input is refused as a whole, or the dataset holds another source's data.
    """
    started = time.monotonic()
    report = LoadReport(dataset or source.name)
    datasets.check_name(report.dataset)
    inputs = source.inputs()
    rejected = RejectedRows(report.dataset)
    with _named_failures(database), rejected.collecting(), postgres.transaction(database) as cursor:
        _lock_dataset(cursor, report.dataset, source, replace)
        outdated = _forget(cursor, report.dataset) if replace else []
        for entry in inputs:
            report.loads += _load_input(cursor, report.dataset, source, entry, rejected, progress)
        # Last, and in one order: these take locks on the raw tables, for which readers and other loads would wait.
        for table, load_id in sorted(outdated):
            partitions.drop(cursor, table, load_id)
        for load in sorted(report.loads, key=lambda load: load.table):
            if not load.already_loaded:
                partitions.attach(cursor, load.table, load.load_id)
        datasets.activate_in(cursor, report.dataset)
    report.seconds = time.monotonic() - started
    return report


@contextmanager
def _named_failures(database: PostgresSettings) -> Iterator[None]:
    try:
        yield
    except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
        raise UnavailableError(
            f"Postgres at {database.host}:{database.port} failed during the load, which left nothing: {error}.",
            remedy="See its log and its disk's free space, then load again.",
        ) from error


def _lock_dataset(cursor: Cursor, dataset: str, source: Source, replace: bool) -> None:
    """Create the dataset or lock its row, so that loads into one dataset come one after the other."""
    cursor.execute(
        "insert into raw.datasets (name, source) values (%s, %s) on conflict do nothing", (dataset, source.name)
    )
    # Not `for update`: that would make the service wait, whose events refer to this row.
    cursor.execute("select source from raw.datasets where name = %s for no key update", (dataset,))
    ((holds,),) = cursor.fetchall()
    if replace:
        cursor.execute("update raw.datasets set source = %s where name = %s", (source.name, dataset))
    elif holds != source.name:
        raise BadInputError(
            f"The dataset {dataset!r} holds data of the source {holds!r}, not of {source.name!r}.",
            remedy="Choose another name with --dataset, or add --replace to drop what it holds.",
        )


def _forget(cursor: Cursor, dataset: str) -> list[tuple[RawTable, int]]:
    """Strike out all earlier loads; returns the partitions that are to be dropped."""
    cursor.execute("delete from raw.loads where dataset = %s returning table_name, load_id", (dataset,))
    return [(RawTable(table), load_id) for table, load_id in cursor.fetchall()]


def _load_input(
    cursor: Cursor, dataset: str, source: Source, entry: Input, rejected: RejectedRows, progress: Progress
) -> list[TableLoad]:
    digest = entry.digest()
    earlier = _earlier_loads(cursor, dataset, digest)
    if earlier.keys() >= set(entry.tables):
        return [TableLoad(entry.name, table, earlier[table], already_loaded=True) for table in entry.tables]
    if source.is_whole and _holds_rows(cursor, dataset):
        raise BadInputError(
            f"The dataset {dataset!r} holds another {entry.name}.",
            remedy="Choose another name with --dataset, or add --replace to drop what it holds.",
        )
    loads = {table: _begin(cursor, dataset, table, entry.name, digest) for table in entry.tables}
    size = entry.size()
    progress(entry.name, 0, size)
    with _ahead(_prepared(entry)) as ready:
        for item in ready:
            for table, (columns, height, rows) in item.copies.items():
                partitions.copy(cursor, table, loads[table].load_id, columns, rows)
                loads[table].accepted += height
            if item.chunk.rejected is not None:
                rejected.add(loads[entry.tables[0]], item.chunk.rejected)
            progress(entry.name, item.chunk.position, size)
    main = loads[entry.tables[0]]
    if not main.accepted:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in main.rejected.most_common())
        raise BadInputError(
            f"{entry.name}: not one of {main.read:,} rows is usable ({reasons}).",
            remedy="See whether this is the right file, and whether its columns are in the right order.",
        )
    for load in loads.values():
        _record(cursor, load)
    return list(loads.values())


def _earlier_loads(cursor: Cursor, dataset: str, digest: str) -> dict[RawTable, int]:
    cursor.execute(
        "select table_name, load_id from raw.loads where dataset = %s and content_sha256 = %s", (dataset, digest)
    )
    return {RawTable(table): load_id for table, load_id in cursor.fetchall()}


def _holds_rows(cursor: Cursor, dataset: str) -> bool:
    cursor.execute("select exists (select from raw.loads where dataset = %s)", (dataset,))
    ((found,),) = cursor.fetchall()
    return bool(found)


def _begin(cursor: Cursor, dataset: str, table: RawTable, file: str, digest: str) -> TableLoad:
    cursor.execute(
        "insert into raw.loads"
        " (dataset, table_name, file_name, content_sha256, rows_read, rows_accepted, rows_rejected)"
        " values (%s, %s, %s, %s, 0, 0, 0) returning load_id",
        (dataset, str(table), file, digest),
    )
    ((load_id,),) = cursor.fetchall()
    partitions.create(cursor, table, load_id)
    return TableLoad(file, table, load_id)


def _record(cursor: Cursor, load: TableLoad) -> None:
    cursor.execute(
        "update raw.loads set rows_read = %s, rows_accepted = %s, rows_rejected = %s, rejected_by_reason = %s"
        " where load_id = %s",
        (load.read, load.accepted, load.rejected.total(), orjson.dumps(load.rejected).decode(), load.load_id),
    )


@dataclass(frozen=True)
class _Prepared:
    chunk: Chunk
    copies: dict[RawTable, tuple[list[str], int, bytes]]


def _prepared(entry: Input) -> Iterator[_Prepared]:
    for chunk in entry.chunks():
        yield _Prepared(
            chunk,
            {
                table: (frame.columns, frame.height, partitions.encode(frame))
                for table, frame in chunk.accepted.items()
                if frame.height
            },
        )


@contextmanager
def _ahead(items: Iterator[T], depth: int = 2) -> Iterator[Iterator[T]]:
    """Run an iterator in a thread, at most `depth` items ahead; its errors are raised where it is read."""
    done = object()
    stop = threading.Event()
    waiting: queue.Queue[object] = queue.Queue(depth)

    def put(item: object) -> None:
        while not stop.is_set():
            try:
                return waiting.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item)
                if stop.is_set():
                    return
            put(done)
        except BaseException as error:  # handed to the reader, which raises it
            put(error)

    def read() -> Iterator[T]:
        while (item := waiting.get()) is not done:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]

    thread = threading.Thread(target=work, name="prepare-chunks", daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        stop.set()
        thread.join()

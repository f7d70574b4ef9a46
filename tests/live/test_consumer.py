"""Events through a real RabbitMQ: every acknowledged one is stored exactly once, whatever ends in between."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aio_pika
import psycopg2
import pytest

from fast_api_service.events.queue import EventQueue
from recsys.errors import UnavailableError
from recsys.live.ingest import CollectedEvent
from recsys.live.queue import PARKED, QUEUE, declare, send
from recsys.settings import PostgresSettings
from recsys.stack.process import free_port
from recsys.stack.temporary import Broker
from recsys.storage import postgres
from tests.conftest import wait_until
from tests.fast_api_service import stoppable
from tests.fast_api_service.stoppable import Servers


@pytest.fixture
async def queue(broker: Broker) -> AsyncIterator[EventQueue]:
    """The service's end of an empty queue."""
    connection = await aio_pika.connect(broker.url)
    channel = await connection.channel()
    for name in (QUEUE, PARKED):
        await (await declare(channel, name)).purge()
    await connection.close()
    found = EventQueue(broker.url)
    yield found
    await found.close()


@contextmanager
def worker(database: PostgresSettings, broker: Broker, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    variables = os.environ | {
        "RECSYS_HOME": str(log.parent),
        "POSTGRES_PORT": str(database.port),
        "POSTGRES_DATABASE": database.database,
        "POSTGRES_PASSWORD": database.password.get_secret_value(),
        "EVENTS_QUEUE_URL": broker.url,
        "WORKER_PORT": str(free_port()),
    }
    with log.open("ab") as output:
        process = subprocess.Popen([sys.executable, "-m", "recsys.live"], env=variables, stderr=output)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def events(batch: str, count: int = 20) -> list[CollectedEvent]:
    return [CollectedEvent(f"{batch}-{number}", 10**12, "u", None, "item", "view") for number in range(count)]


def stored(database: PostgresSettings) -> list[str]:
    with postgres.transaction(database) as cursor:
        cursor.execute("select event_id from raw.collected_events where dataset = 'shop' order by 1")
        return [row[0] for row in cursor.fetchall()]


def is_storing(database: PostgresSettings) -> bool:
    """Whether the worker waits for a lock in the middle of storing."""
    with postgres.transaction(database) as cursor:
        cursor.execute(
            "select from pg_stat_activity where datname = current_database()"
            " and application_name = 'recsys-queue' and wait_event_type = 'Lock'"
        )
        return bool(cursor.rowcount)


async def waiting(broker: Broker, name: str = QUEUE) -> list[tuple[bytes, object]]:
    """Bodies and reasons of what lies in a queue."""
    async with await aio_pika.connect(broker.url) as connection:
        queue = await declare(await connection.channel(), name)
        found = []
        while message := await queue.get(fail=False):
            found.append((message.body, message.headers.get("reason")))
        return found


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    await asyncio.to_thread(wait_until, condition, seconds)


async def test_a_worker_killed_between_broker_and_commit_loses_and_doubles_nothing(
    shop: PostgresSettings, broker: Broker, queue: EventQueue, tmp_path: Path
) -> None:
    sent = [f"{batch}-{number}" for batch in range(30) for number in range(20)]
    lock = psycopg2.connect(shop.dsn())
    with lock, lock.cursor() as cursor:
        cursor.execute("lock table raw.collected_events in exclusive mode")
        with worker(shop, broker, tmp_path / "log") as first:
            for batch in range(30):
                await queue.publish("shop", events(str(batch)))

            await until(lambda: is_storing(shop))
            first.kill()
            first.wait()
    lock.close()
    with worker(shop, broker, tmp_path / "log"):
        await until(lambda: len(stored(shop)) == len(sent))
        await until(lambda: not asyncio.run(waiting(broker)))
    assert stored(shop) == sorted(sent)


async def test_what_the_broker_does_not_keep_is_not_acknowledged(broker: Broker, queue: EventQueue) -> None:
    await queue.publish("shop", events("kept"))
    async with await aio_pika.connect(broker.url) as connection:
        await (await connection.channel()).queue_delete(QUEUE)
    with pytest.raises(UnavailableError):
        await queue.publish("shop", events("lost"))


async def test_what_can_never_be_stored_is_parked_and_blocks_nothing(
    shop: PostgresSettings, broker: Broker, queue: EventQueue, tmp_path: Path
) -> None:
    bad = events("bad", 1)[0]
    async with await aio_pika.connect(broker.url) as connection:
        channel = await connection.channel()
        await declare(channel)
        await send(channel, b"no json")
        await send(channel, b'{"dataset": ["shop"], "events": []}')
    await queue.publish("no-such-shop", events("foreign", 1))
    await queue.publish(
        "shop", [*events("good"), bad._replace(user_id=None), bad._replace(event_id="x", price="cheap")]
    )  # type: ignore[arg-type]
    await queue.publish(None, events("later", 1))
    with worker(shop, broker, tmp_path / "log"):
        await until(lambda: len(stored(shop)) == 21)
    assert stored(shop) == sorted([f"good-{number}" for number in range(20)] + ["later-0"])
    parked = [str(reason) for _, reason in await waiting(broker, PARKED)]
    assert len(parked) == 5
    for word in ("not a batch", "ForeignKeyViolationError", "CheckViolationError", "DataError"):
        assert any(word in reason for reason in parked), (word, parked)


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    with tempfile.TemporaryDirectory(prefix="recsys-tests-") as folder, stoppable.servers(Path(folder)) as found:
        with postgres.transaction(found.database) as cursor:
            cursor.execute("insert into raw.datasets (name, source, is_active) values ('shop', 'csv', true)")
        yield found


async def test_postgres_and_rabbitmq_restarted_under_load(
    servers: Servers, broker: Broker, queue: EventQueue, tmp_path: Path
) -> None:
    sent: list[str] = []
    acknowledged: list[str] = []
    refused = 0
    stop = asyncio.Event()

    async def send_all() -> None:
        nonlocal refused
        while not stop.is_set():
            batch = events(str(len(sent)))
            sent.extend(event.event_id for event in batch)
            try:
                await queue.publish("shop", batch)
                acknowledged.extend(event.event_id for event in batch)
            except UnavailableError:
                refused += 1
            await asyncio.sleep(0.01)

    with worker(servers.database, broker, tmp_path / "log"):
        sender = asyncio.create_task(send_all())
        await until(lambda: stored(servers.database))
        await asyncio.to_thread(servers.postgres.stop)
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 200)
        await asyncio.to_thread(broker.stop)
        await until(lambda: refused)
        await asyncio.to_thread(servers.postgres.start)
        await asyncio.to_thread(broker.start)
        before = len(acknowledged)
        await until(lambda: len(acknowledged) > before + 200)
        stop.set()
        await sender
        postgres.wait(servers.database, print)
        await until(lambda: set(acknowledged) <= set(stored(servers.database)))
    found = stored(servers.database)
    assert len(found) == len(set(found))
    assert set(acknowledged) <= set(found) <= set(sent)

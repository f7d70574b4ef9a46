"""The worker's end of the queue: takes events out and stores them.

A message is acknowledged after the commit, so it may be stored twice and never not at all; the second time changes
nothing, because an event's id is its key. What can never be stored is parked in a queue of its own, with the reason in
its header.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import aio_pika
import asyncpg
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from prometheus_client import Counter

from recsys.errors import BadInputError, NotReadyError
from recsys.live.ingest import TRANSACTION_TIMEOUT_MS, CollectedEvent, insert
from recsys.live.queue import CONNECT_TIMEOUT_S, PARKED, declare, decode, encode, send
from recsys.live.worker import Job
from recsys.settings import EventsSettings, PostgresSettings, load
from recsys.storage.pool import UNAVAILABLE, create_pool

PREFETCH = 200  # messages handed to the worker ahead of its acknowledgements
BATCH_EVENTS = 5_000  # stored in one transaction, far below its time limit
PAUSE_S = 0.5

STORED = Counter("recsys_queue_events_stored_total", "Events taken from the queue and committed.")
DUPLICATES = Counter("recsys_queue_events_duplicate_total", "Events taken from the queue that were there already.")
PARKED_MESSAGES = Counter("recsys_queue_messages_parked_total", "Messages that can never be stored, put aside.")

log = logging.getLogger(__name__)


def jobs() -> tuple[Job, ...]:
    """The consumer, where `EVENTS_QUEUE_URL` is set."""
    settings = load(EventsSettings)
    if settings.queue_url is None:
        return ()
    consumer = Consumer(settings.queue_url.get_secret_value(), load(PostgresSettings))
    return (Job("queue", PAUSE_S, consumer.run),)


class Consumer:
    """Takes messages as they come; while one batch is being stored, the next gathers."""

    def __init__(self, url: str, database: PostgresSettings) -> None:
        self._url, self._database = url, database

    async def run(self, _: asyncpg.Pool) -> None:
        """Store events until the connection to the broker breaks; what was not acknowledged comes again."""
        pool = await create_pool(self._database, 1, name="recsys-queue", timeout_ms=TRANSACTION_TIMEOUT_MS)
        try:
            async with await aio_pika.connect(self._url, timeout=CONNECT_TIMEOUT_S) as connection:
                await self._consume(await connection.channel(), pool)
        finally:
            pool.terminate()

    async def _consume(self, channel: AbstractChannel, pool: asyncpg.Pool) -> None:
        await channel.set_qos(PREFETCH)
        await declare(channel, PARKED)
        queue = await declare(channel)
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        await queue.consume(arrived.put)
        closed = asyncio.ensure_future(channel.closed())
        while True:
            first = asyncio.ensure_future(arrived.get())
            await asyncio.wait({first, closed}, return_when=asyncio.FIRST_COMPLETED)
            if closed.done():
                first.cancel()
                raise ConnectionError("the broker closed the channel")
            await self._store(await first, arrived, channel, pool)

    async def _store(
        self,
        message: AbstractIncomingMessage,
        arrived: asyncio.Queue[AbstractIncomingMessage],
        channel: AbstractChannel,
        pool: asyncpg.Pool,
    ) -> None:
        """Store this message and what has arrived behind it, then acknowledge them all."""
        by_dataset: dict[str | None, list[CollectedEvent]] = {}
        count = 0
        while True:
            try:
                dataset, events = decode(message.body)
                by_dataset.setdefault(dataset, []).extend(events)
                count += len(events)
            except BadInputError as error:
                await self._park(channel, message.body, error.message)
            if count >= BATCH_EVENTS or arrived.empty():
                break
            message = arrived.get_nowait()
        for dataset, events in by_dataset.items():
            await self._insert(channel, pool, dataset, events)
        await message.ack(multiple=True)

    async def _insert(
        self, channel: AbstractChannel, pool: asyncpg.Pool, dataset: str | None, events: list[CollectedEvent]
    ) -> None:
        """Commit what can be; halve what is refused until the events are found that are to blame."""
        if not events:
            return
        try:
            _, new = await _patiently(lambda: insert(pool, events, dataset))
            STORED.inc(len(new))
            DUPLICATES.inc(len(events) - len(new))
        except Exception as error:
            if len(events) == 1:
                await self._park(channel, encode(dataset, events), f"{type(error).__name__}: {error}")
                return
            half = len(events) // 2
            await self._insert(channel, pool, dataset, events[:half])
            await self._insert(channel, pool, dataset, events[half:])

    async def _park(self, channel: AbstractChannel, body: bytes, reason: str) -> None:
        log.error("A message is parked in %s: %s", PARKED, reason)
        await send(channel, body, PARKED, reason)
        PARKED_MESSAGES.inc()


async def _patiently(store: Callable[[], Awaitable[tuple[str, set[str]]]]) -> tuple[str, set[str]]:
    """Wait for Postgres with the messages in hand: given back again and again, a broker would give up on them."""
    while True:
        try:
            return await store()
        except (*UNAVAILABLE, NotReadyError) as error:
            log.info("Events wait in the queue: %s", error)
        await asyncio.sleep(PAUSE_S)

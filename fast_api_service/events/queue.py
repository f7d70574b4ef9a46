"""The service's side of the queue: an event is acknowledged when the broker has confirmed it."""

import asyncio
import logging
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError

from fast_api_service.state import PROBE_INTERVAL_S, Dependency, forever
from recsys.errors import UnavailableError
from recsys.live.ingest import CollectedEvent
from recsys.live.queue import CONNECT_TIMEOUT_S, declare, encode, send

# What a broker that is away, stopping or stuck looks like.
UNREACHABLE = (AMQPError, OSError, TimeoutError, RuntimeError)

log = logging.getLogger(__name__)


class EventQueue:
    """One connection of this worker, made when it is needed and made anew when it is lost.

    Attributes:
        broker: whether it answers, as last seen; watched in the background, so that nobody who asks has to wait.
    """

    def __init__(self, url: str) -> None:
        self.broker = Dependency("RabbitMQ")
        self._watching: asyncio.Task[None] | None = None
        self._url = url
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._connecting = asyncio.Lock()

    def watch(self) -> None:
        """Keep looking whether the broker is there, and the connection open for the first event."""
        self._watching = asyncio.create_task(forever(self._look, PROBE_INTERVAL_S))

    async def publish(self, dataset: str | None, events: Sequence[CollectedEvent]) -> None:
        """Return when the broker has the events on disk.

        Raises:
            UnavailableError: it has not said so in time; it may have them all the same.
        """
        try:
            await send(await self._open_channel(), encode(dataset, events))
        except UNREACHABLE as error:
            log.info("The queue did not take events: %r", error)
            raise UnavailableError("RabbitMQ does not answer.") from error

    async def close(self) -> None:
        """Stop looking, and let go of the connection."""
        if self._watching is not None:
            self._watching.cancel()
        await self._let_go()

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await declare(await self._open_channel())  # a question that every broker answers
            self.broker.note(None)
        except UNREACHABLE as error:
            self.broker.note(f"does not answer ({type(error).__name__})")

    async def _let_go(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _open_channel(self) -> AbstractChannel:
        async with self._connecting:
            if self._channel is None or self._channel.is_closed:
                await self._let_go()
                self._connection = await aio_pika.connect(self._url, timeout=CONNECT_TIMEOUT_S)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare(self._channel)
            return self._channel

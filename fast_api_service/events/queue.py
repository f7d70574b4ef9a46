"""The service's side of the queue: an event is acknowledged when the broker has confirmed it."""

import asyncio
import logging
from collections.abc import Sequence

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import AMQPError

from recsys.errors import UnavailableError
from recsys.live.ingest import CollectedEvent
from recsys.live.queue import CONNECT_TIMEOUT_S, declare, encode, send

log = logging.getLogger(__name__)


class EventQueue:
    """One connection of this worker, made when it is needed and made anew when it is lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._connecting = asyncio.Lock()

    async def publish(self, dataset: str | None, events: Sequence[CollectedEvent]) -> None:
        """Return when the broker has the events on disk.

        Raises:
            UnavailableError: it has not said so in time; it may have them all the same.
        """
        try:
            await send(await self._open_channel(), encode(dataset, events))
        except (AMQPError, OSError, TimeoutError, RuntimeError) as error:
            log.info("The queue did not take events: %r", error)
            raise UnavailableError("RabbitMQ does not answer.") from error

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()

    async def _open_channel(self) -> AbstractChannel:
        async with self._connecting:
            if self._channel is None or self._channel.is_closed:
                await self.close()
                self._connection = await aio_pika.connect(self._url, timeout=CONNECT_TIMEOUT_S)
                self._channel = await self._connection.channel(publisher_confirms=True, on_return_raises=True)
                await declare(self._channel)
            return self._channel

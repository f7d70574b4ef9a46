"""The queue that events pass through: what both ends of it agree on.

A message holds the events of one request, and is confirmed to its sender when it is on the broker's disk.
"""

from collections.abc import Sequence

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractQueue, HeadersType
from aiormq.abc import FieldTable

from recsys.errors import BadInputError
from recsys.live.ingest import CollectedEvent

QUEUE, PARKED = "recsys.events", "recsys.events.parked"
ARGUMENTS: FieldTable = {"x-queue-type": "quorum"}  # durable, and replicated where the broker is a cluster
CONNECT_TIMEOUT_S = 3


def encode(dataset: str | None, events: Sequence[CollectedEvent]) -> bytes:
    """The message of these events; without a dataset they go to the one that is active when they are stored."""
    return orjson.dumps({"dataset": dataset, "events": [event._asdict() for event in events]})


def decode(body: bytes) -> tuple[str | None, list[CollectedEvent]]:
    """What `encode` was told.

    Raises:
        BadInputError: it is something else.
    """
    try:
        message = orjson.loads(body)
        dataset, events = message["dataset"], [CollectedEvent(**event) for event in message["events"]]
        if not isinstance(dataset, str | None) or not all(isinstance(event.event_id, str) for event in events):
            raise TypeError("dataset or event_id is no text")
        return dataset, events
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadInputError(f"The message is not a batch of events: {error!r}.") from None


async def declare(channel: AbstractChannel, name: str = QUEUE) -> AbstractQueue:
    """The queue, made if need be."""
    return await channel.declare_queue(name, durable=True, arguments=ARGUMENTS)


async def send(channel: AbstractChannel, body: bytes, name: str = QUEUE, reason: str | None = None) -> None:
    """Return when the broker has the message on disk."""
    headers: HeadersType | None = {"reason": reason} if reason else None
    message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, headers=headers)
    await channel.default_exchange.publish(message, name, timeout=CONNECT_TIMEOUT_S)

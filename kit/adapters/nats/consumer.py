"""Delivery of the commands of a queue to workers."""

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from soundwright.kit.adapters.nats.streams import COMMAND_STREAM, create_consumer

_WAIT_SECONDS = 5.0  # how long the broker holds a request for a message
_ANSWER_SECONDS = 1.0  # after that, its answer is on the way
_PAUSE_SECONDS = 0.5  # after a refusal


class NatsConsumer:
    """A durable pull consumer of a subject.

    A process has one request for a message at the broker at a time, however many tasks wait. The broker holds it until a
    message arrives. If the waiting task is cancelled, the next one takes the message that the request brings.
    """

    def __init__(
        self,
        client: Client,
        js: JetStreamContext,
        durable: str,
        subject: str,
        ack_wait_seconds: float,
        request_seconds: float,
        on_missing: Callable[[], None],
    ) -> None:
        """
        Args:
            on_missing: called when the broker has lost the stream or the consumer, for example because it was deleted.
        """
        self._client = client
        self._js = js
        self._durable = durable
        self._subject = subject
        self._ack_wait_seconds = ack_wait_seconds
        self._request_seconds = request_seconds
        self._on_missing = on_missing
        self._taking = asyncio.Lock()
        self._inbox: Subscription | None = None
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._expire_time = 0.0  # of the request at the broker, by the monotonic clock

    async def create(self) -> None:
        """Create the durable consumer in the broker, or bring it to this configuration."""
        await create_consumer(self._js, self._durable, self._subject, self._ack_wait_seconds)
        if self._inbox is None:
            self._inbox = await self._client.subscribe(self._client.new_inbox(), cb=self._arrived.put)
            self._arrived.put_nowait(None)  # who waits already can ask now

    async def next(self) -> "NatsDelivery":
        async with self._taking:
            while True:
                if message := await self._next():
                    return NatsDelivery(message, self._request_seconds)

    async def _next(self) -> Msg | None:
        """Return the next message; None if there was none for a while, or if the broker refuses the request."""
        if self._inbox is not None and self._arrived.empty() and time.monotonic() >= self._expire_time:
            self._expire_time = time.monotonic() + _WAIT_SECONDS
            address = f"$JS.API.CONSUMER.MSG.NEXT.{COMMAND_STREAM}.{self._durable}"
            request = json.dumps({"batch": 1, "expires": int(_WAIT_SECONDS * 1e9)}).encode()
            with contextlib.suppress(NatsError):  # without a connection, the next request is sent later
                await self._client.publish(address, request, reply=self._inbox.subject)
        try:
            async with asyncio.timeout(max(0.0, self._expire_time - time.monotonic()) + _ANSWER_SECONDS):
                message = await self._arrived.get()
        except TimeoutError:
            return None
        if message is None:
            return None
        self._expire_time = 0.0
        status = _status(message)
        if status == "503":  # nobody serves the address
            self._on_missing()
        if status not in (None, "408"):  # 408: the request has expired
            await asyncio.sleep(_PAUSE_SECONDS)
        return message if status is None else None

    async def close(self) -> None:
        """Withdraw the request, and hand back the message that it may have brought meanwhile."""
        if self._inbox is not None:
            with contextlib.suppress(NatsError, TimeoutError):
                await self._inbox.drain()
        while not self._arrived.empty():
            message = self._arrived.get_nowait()
            if message is not None and _status(message) is None:
                await NatsDelivery(message, self._request_seconds).nak(0.0)


def _status(message: Msg) -> str | None:
    """Return the status of an answer of the broker without a message; None: it is a message."""
    return (message.headers or {}).get("Status")


class NatsDelivery:
    """A :class:`soundwright.kit.ports.Delivery`."""

    def __init__(self, message: Msg, request_seconds: float) -> None:
        self._message = message
        self._request_seconds = request_seconds
        self.payload: bytes = message.data
        self.headers: Mapping[str, str] = message.headers or {}

    async def ack(self) -> None:
        await self._answer(b"+ACK")

    async def nak(self, delay_seconds: float) -> None:
        await self._answer(b"-NAK " + json.dumps({"delay": int(max(0.0, delay_seconds) * 1e9)}).encode())

    async def term(self) -> None:
        await self._answer(b"+TERM")

    async def _answer(self, verb: bytes) -> None:
        # If the broker does not confirm, it delivers the message again, which is harmless.
        with contextlib.suppress(NatsError, TimeoutError):
            await self._message._client.request(self._message.reply, verb, timeout=self._request_seconds)

    async def in_progress(self) -> None:
        with contextlib.suppress(NatsError, TimeoutError):
            await self._message._client.publish(self._message.reply, b"+WPI")

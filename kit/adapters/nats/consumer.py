"""Delivery of commands to workers: durable pull consumers, one for each priority."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from kit.adapters.nats.streams import COMMAND_STREAM, consumer_name, create_consumer
from kit.ports import Subscription

__all__ = ["NatsConsumer", "NatsDelivery"]

_POLL_SECONDS = 1.0
_STORE_SECONDS = 0.005


class NatsConsumer:
    """A durable pull consumer for each subject. Consumers of a work queue must not overlap, and priorities need an order.

    One task of a process at a time fetches messages. It queries all subjects with one request, so the load does not
    depend on the number of tasks and priorities.
    """

    def __init__(
        self,
        client: Client,
        js: JetStreamContext,
        durable: str,
        subjects: tuple[str, ...],
        ack_wait_seconds: float,
        request_seconds: float,
        on_missing: Callable[[], None],
    ) -> None:
        """
        Args:
            on_missing: called when the broker has lost the stream or a consumer, for example because it was deleted.
        """
        self._client = client
        self._js = js
        self._subjects = subjects
        self._durable = durable
        self._ack_wait_seconds = ack_wait_seconds
        self._request_seconds = request_seconds
        self._on_missing = on_missing
        self._fetch_lock = asyncio.Lock()
        self._woken = asyncio.Event()
        self._waker: Subscription | None = None

    @property
    def pattern(self) -> str:
        """All subjects as one pattern."""
        return f"{self._subjects[0].rpartition('.')[0]}.*"

    async def create(self) -> None:
        """Create the durable consumers in the broker."""
        for subject in self._subjects:
            await create_consumer(self._js, self._durable, subject, self._ack_wait_seconds)

    def woken_by(self, waker: Subscription) -> None:
        """Keep the subscription that calls ``wake``, to close it."""
        self._waker = waker

    def wake(self, _subject: str, _payload: bytes) -> None:
        """Fetch at once. A plain subscriber also receives the messages of the stream, and calls this."""
        self._woken.set()

    async def next(self) -> NatsDelivery:
        async with self._fetch_lock:
            return await self._next()

    async def _next(self) -> NatsDelivery:
        pause = _POLL_SECONDS
        while True:
            if self._woken.is_set():
                self._woken.clear()
                pause = _STORE_SECONDS  # the stream may not have stored the message yet
            message = await self._fetch()
            if message is not None:
                return NatsDelivery(message, self._request_seconds)
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that arrives together with the result.
                async with asyncio.timeout(pause):
                    await self._woken.wait()
                pause = _STORE_SECONDS
            except TimeoutError:
                pause = min(_POLL_SECONDS, pause * 2)

    async def _fetch(self) -> Msg | None:
        """Return the oldest message of the highest priority that has one."""
        stored = await self._stored()
        for subject in self._subjects:
            message = await self._take(subject) if subject in stored else None
            if message is not None:
                return message
        return None

    async def _stored(self) -> set[str]:
        """Return the subjects that have messages, waiting or delivered."""
        cancelled_before = _cancel_count()
        stored: set[str] = set()
        try:
            info = await self._js.stream_info(COMMAND_STREAM, subjects_filter=self.pattern)
            stored = set(info.state.subjects or {})
        except NotFoundError:
            self._on_missing()
        except (NatsError, TimeoutError):
            pass
        if _cancel_count() > cancelled_before:
            raise asyncio.CancelledError
        return stored

    async def _take(self, subject: str) -> Msg | None:
        cancelled_before = _cancel_count()
        message = await self._pull(subject)
        if _cancel_count() > cancelled_before:
            if message is not None:
                await NatsDelivery(message, self._request_seconds).nak(0.0)
            raise asyncio.CancelledError
        return message

    async def _pull(self, subject: str) -> Msg | None:
        address = f"$JS.API.CONSUMER.MSG.NEXT.{COMMAND_STREAM}.{consumer_name(self._durable, subject)}"
        request = json.dumps({"batch": 1, "no_wait": True}).encode()
        try:
            # A stored message keeps its own subject, so the driver's shared inbox could not assign the response.
            message = await self._client.request(address, request, timeout=self._request_seconds, old_style=True)
        except NoRespondersError:
            self._on_missing()
            return None
        except (NatsError, TimeoutError):
            return None
        return None if message.headers and "Status" in message.headers else message

    async def close(self) -> None:
        if self._waker is not None:
            await self._waker.close()


def _cancel_count() -> int:
    """Return how often the current task was cancelled.

    If a call of the driver increases the number, the driver has swallowed a cancellation: it uses ``wait_for``, which
    loses a cancellation that arrives together with the result.
    """
    task = asyncio.current_task()
    return task.cancelling() if task else 0


class NatsDelivery:
    """A :class:`kit.ports.Delivery`."""

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

"""``Bus`` on NATS JetStream.

Two streams: ``SOUNDWRIGHT_CMD`` is a work queue (a message stays until a worker acknowledges it), ``SOUNDWRIGHT_EVT``
keeps events for an hour. The ledger of jobs is the truth, so losing either loses nothing but time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from kit.errors import AppError, Code
from kit.log import get_logger

__all__ = ["NatsBus"]

_STREAM = "SOUNDWRIGHT_CMD"
_COMMANDS = StreamConfig(
    name=_STREAM,
    subjects=["soundwright.cmd.>"],
    retention=RetentionPolicy.WORK_QUEUE,
    storage=StorageType.FILE,
    discard=DiscardPolicy.NEW,
    duplicate_window=120,
    max_msgs=1_000_000,
)
_EVENTS = StreamConfig(
    name="SOUNDWRIGHT_EVT",
    subjects=["soundwright.evt.>"],
    retention=RetentionPolicy.LIMITS,
    storage=StorageType.FILE,
    duplicate_window=120,
    max_age=3600,
    max_bytes=256 * 1024**2,
)
_REQUEST_SECONDS = 5.0
_PREPARE_SECONDS = 30.0
_POLL_SECONDS = 1.0
_STORE_SECONDS = 0.005
_AGEING_PERIOD = 4
_AFFINITY_RUN = 8
_UNHEARD_LIMIT = 10_000
_UNHEARD_LIMIT_BYTES = 16 * 1024**2
log = get_logger()


class NatsBus:
    """A :class:`kit.ports.Bus`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=_REQUEST_SECONDS)
        self._preparing: asyncio.Task[None] | None = None

    @classmethod
    async def connect(cls, url: str, *, name: str, timeout_seconds: float = 30.0) -> NatsBus:
        """Connect, and create the streams where they are missing.

        Raises:
            AppError: ``BROKER_UNAVAILABLE`` when the broker does not answer in time.
        """

        async def on_error(error: Exception) -> None:
            log.warning("broker.error", error=str(error) or type(error).__name__)

        async def attempt() -> NatsBus:
            while True:
                bus = cls(Client())
                try:
                    await bus._client.connect(
                        url,
                        name=name,
                        error_cb=on_error,
                        reconnected_cb=bus._on_reconnect,
                        max_reconnect_attempts=-1,
                        reconnect_time_wait=0.5,
                        ping_interval=10,
                        allow_reconnect=True,
                        connect_timeout=2,
                    )
                    return bus
                except (OSError, NatsError):
                    await asyncio.sleep(0.1)

        try:
            async with asyncio.timeout(timeout_seconds):
                bus = await attempt()
            async with asyncio.timeout(timeout_seconds):
                await bus._prepare()
        except TimeoutError:
            raise AppError(
                Code.UNAVAILABLE, "BROKER_UNAVAILABLE", "The message broker does not answer. Check that it is running."
            ) from None
        return bus

    async def _prepare(self) -> None:
        for stream in (_COMMANDS, _EVENTS):
            await self._ensure(stream)

    async def _on_reconnect(self) -> None:
        # In a task of its own: the driver is not done with the connection before this returns.
        self._preparing = asyncio.create_task(self._prepare_again())

    async def _prepare_again(self) -> None:
        """The broker may have come back without its store; that costs time, but no job."""
        try:
            async with asyncio.timeout(_PREPARE_SECONDS):
                await self._prepare()
        except (NatsError, TimeoutError) as error:
            log.warning("broker.not_prepared", error=str(error) or type(error).__name__)

    async def _ensure(self, stream: StreamConfig) -> None:
        while True:
            try:
                await self._js.add_stream(stream)
                return
            except BadRequestError:  # it exists with other settings
                await self._js.update_stream(stream)
                return
            except (NatsTimeout, NoRespondersError):  # JetStream is still starting
                await asyncio.sleep(0.1)

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        with _translated():
            await self._js.publish(
                subject, payload, timeout=_REQUEST_SECONDS, headers={"Nats-Msg-Id": message_id, **(headers or {})}
            )

    async def announce(self, subject: str, payload: bytes) -> None:
        with contextlib.suppress(NatsError, TimeoutError):
            await self._client.publish(subject, payload)

    async def consumer(self, durable: str, subjects: Sequence[str], *, ack_wait_seconds: float) -> NatsConsumer:
        consumer = NatsConsumer(self._client, self._js, durable, tuple(subjects), ack_wait_seconds)
        with _translated():
            await consumer.open()
        return consumer

    async def subscribe(self, pattern: str, listener: Callable[[str, bytes], None]) -> NatsSubscription:
        async def hear(message: Msg) -> None:
            listener(message.subject, message.data)

        with _translated():
            subscription = NatsSubscription(
                await self._client.subscribe(
                    pattern, cb=hear, pending_msgs_limit=_UNHEARD_LIMIT, pending_bytes_limit=_UNHEARD_LIMIT_BYTES
                )
            )
            try:
                # The driver's ping may overtake what waits to be written, the subscription included. When the first
                # answer is here that is written, so that the second one says that the broker has it.
                for _ in range(2):
                    await self._client.flush(timeout=_REQUEST_SECONDS)
            except BaseException:
                await subscription.close()
                raise
        return subscription

    async def backlog(self, subject: str) -> int:
        with _translated():
            info = await self._js.stream_info(_STREAM, subjects_filter=subject)
        return sum((info.state.subjects or {}).values())

    async def connected(self) -> bool:
        return bool(self._client.is_connected)

    async def close(self) -> None:
        if self._preparing is not None:
            self._preparing.cancel()
        with contextlib.suppress(NatsError, TimeoutError, OSError):
            async with asyncio.timeout(_REQUEST_SECONDS):
                await self._client.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The driver's errors in our words."""
    try:
        yield
    except (NatsError, TimeoutError) as error:
        raise AppError(
            Code.UNAVAILABLE, "BROKER_UNAVAILABLE", "The message broker does not answer. Please try again."
        ) from error


class NatsSubscription:
    """A :class:`kit.ports.Subscription`."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def close(self) -> None:
        with contextlib.suppress(NatsError):
            await self._subscription.unsubscribe()


class NatsConsumer:
    """One durable pull consumer a subject, because a work queue allows no overlap and priorities need an order.

    One of a process's takers at a time looks for a message, for whoever of them comes next, and one request tells it
    where there are any: looking costs the same however many takers, priorities and affinities there are.
    """

    def __init__(
        self, client: Client, js: JetStreamContext, durable: str, subjects: tuple[str, ...], ack_wait_seconds: float
    ) -> None:
        self._client = client
        self._js = js
        self._subjects = subjects
        self._durable = durable
        self._ack_wait_seconds = ack_wait_seconds
        self._looking = asyncio.Lock()
        self._woken = asyncio.Event()
        self._wakers: list[Subscription] = []
        self._taken_count = 0
        self._affinity: str | None = None  # of the message that was taken last
        # Of each priority: how many were taken for their affinity since one was taken for its age.
        self._preferred_counts = dict.fromkeys(subjects, 0)

    async def open(self) -> None:
        for subject in self._subjects:
            await self._create(subject)

        async def wake(_message: Msg) -> None:
            self._woken.set()

        # What is published for the stream is seen by plain subscribers too: that makes an idle worker start at once.
        for subject in self._subjects:
            for pattern in (subject, f"{subject}.*"):
                self._wakers.append(await self._client.subscribe(pattern, cb=wake))

    async def _create(self, subject: str) -> None:
        await self._js.add_consumer(
            _STREAM,
            ConsumerConfig(
                durable_name=self._durable_of(subject),
                filter_subject=subject,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=self._ack_wait_seconds,
                max_deliver=-1,  # the budget of attempts is in the ledger
            ),
        )

    def _durable_of(self, subject: str) -> str:
        return "_".join((self._durable, *subject.split(".")[self._depth - 1 :]))

    @property
    def _depth(self) -> int:
        """How many words a subject has that ends in a priority; an affinity may follow."""
        return self._subjects[0].count(".") + 1

    async def next(self) -> NatsDelivery:
        async with self._looking:
            return await self._next()

    async def _next(self) -> NatsDelivery:
        pause = _POLL_SECONDS
        while True:
            if self._woken.is_set():
                self._woken.clear()
                pause = _STORE_SECONDS  # the waker may be here before the stream has stored what it tells of
            message = await self._look()
            if message is not None:
                self._taken_count += 1
                return NatsDelivery(message)
            try:
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the result.
                async with asyncio.timeout(pause):
                    await self._woken.wait()
                pause = _STORE_SECONDS
            except TimeoutError:
                pause = min(_POLL_SECONDS, pause * 2)

    async def _look(self) -> Msg | None:
        stored = await self._stored()
        for priority in self._order():
            queues = [subject for subject in stored if subject == priority or subject.startswith(f"{priority}.")]
            message = await self._take_from(priority, queues) if queues else None
            if message is not None:
                return message
        return None

    async def _stored(self) -> list[str]:
        """Subjects of ours that have messages: waiting, or being worked on."""
        common = self._subjects[0].rpartition(".")[0]
        cancelled_before = _cancel_count()
        try:
            info = await self._js.stream_info(_STREAM, subjects_filter=f"{common}.>")
            stored = list(info.state.subjects or {})
        except (NatsError, TimeoutError):
            stored = []
        if _cancel_count() > cancelled_before:
            raise asyncio.CancelledError
        return stored

    def _order(self) -> tuple[str, ...]:
        """Highest priority first; every fourth message begins with a lower one, each in its turn: none starves."""
        turn, place = divmod(self._taken_count, _AGEING_PERIOD)
        lower = self._subjects[:0:-1]
        if not lower or place < _AGEING_PERIOD - 1:
            return self._subjects
        first = turn % len(lower)
        return (*lower[first:], *lower[:first], self._subjects[0])

    async def _take_from(self, priority: str, queues: list[str]) -> Msg | None:
        """The oldest message of a priority. But what has the affinity of the last one goes first, seven times in eight:
        of whatever waits, the oldest is taken again and again, so none starves."""
        preferred = None if self._affinity is None else priority + self._affinity
        if preferred is not None and preferred in queues and self._preferred_counts[priority] < _AFFINITY_RUN - 1:
            message = await self._take(preferred)
            if message is not None:
                self._preferred_counts[priority] += 1
                return message
            queues = [subject for subject in queues if subject != preferred]
        for subject in await self._oldest_first(queues):
            message = await self._take(subject)
            if message is not None:
                self._preferred_counts[priority] = 0
                self._affinity = subject.removeprefix(priority)
                return message
        return None

    async def _oldest_first(self, queues: list[str]) -> list[str]:
        if len(queues) < 2:
            return queues
        heads = await asyncio.gather(*(self._head(subject) for subject in queues))
        return [subject for _, subject in sorted(zip(heads, queues, strict=True))]

    async def _head(self, subject: str) -> int:
        """Place in the stream of the oldest message that nobody was given yet.

        Where there is none, those that were given to somebody come first: if one can be had again, it is older.
        """
        try:
            after = await self._last_delivered(subject)
            message = await self._js.get_msg(_STREAM, seq=after + 1, subject=subject, next=True)
        except (NatsError, TimeoutError):
            return 0
        return message.seq or 0

    async def _last_delivered(self, subject: str) -> int:
        try:
            info = await self._js.consumer_info(_STREAM, self._durable_of(subject))
        except NotFoundError:  # a new affinity
            return 0
        return (info.delivered and info.delivered.stream_seq) or 0

    async def _take(self, subject: str) -> Msg | None:
        cancelled_before = _cancel_count()
        message = await self._pull(subject)
        if _cancel_count() > cancelled_before:
            if message is not None:
                await NatsDelivery(message).nak(0.0)
            raise asyncio.CancelledError
        return message

    async def _pull(self, subject: str) -> Msg | None:
        address = f"$JS.API.CONSUMER.MSG.NEXT.{_STREAM}.{self._durable_of(subject)}"
        request = json.dumps({"batch": 1, "no_wait": True}).encode()
        for _ in range(2):
            try:
                # A stored message keeps its own subject, by which the shared inbox of requests would not know it.
                message = await self._client.request(address, request, timeout=_REQUEST_SECONDS, old_style=True)
                return None if message.headers and "Status" in message.headers else message
            except NoRespondersError:  # a new affinity, or the broker lost the consumer, e.g. its store was wiped
                with contextlib.suppress(NatsError, TimeoutError):
                    await self._create(subject)
            except (NatsError, TimeoutError):
                return None
        return None

    async def close(self) -> None:
        for waker in self._wakers:
            with contextlib.suppress(NatsError):
                await waker.unsubscribe()


def _cancel_count() -> int:
    """More than before a call of the driver: it lost a cancellation, which wait_for does when it has a result as well."""
    task = asyncio.current_task()
    return task.cancelling() if task else 0


class NatsDelivery:
    """A :class:`kit.ports.Delivery`."""

    def __init__(self, message: Msg) -> None:
        self._message = message
        self.payload: bytes = message.data
        self.headers: Mapping[str, str] = message.headers or {}

    async def ack(self) -> None:
        with contextlib.suppress(NatsError, TimeoutError):  # then it is delivered again, which is harmless
            await self._client_request(b"+ACK")

    async def _client_request(self, verb: bytes) -> None:
        await self._message._client.request(self._message.reply, verb, timeout=_REQUEST_SECONDS)

    async def nak(self, delay_seconds: float) -> None:
        verb = b"-NAK " + json.dumps({"delay": int(max(0.0, delay_seconds) * 1e9)}).encode()
        with contextlib.suppress(NatsError, TimeoutError):
            await self._client_request(verb)

    async def term(self) -> None:
        with contextlib.suppress(NatsError, TimeoutError):
            await self._client_request(b"+TERM")

    async def in_progress(self) -> None:
        with contextlib.suppress(NatsError, TimeoutError):
            await self._message._client.publish(self._message.reply, b"+WPI")

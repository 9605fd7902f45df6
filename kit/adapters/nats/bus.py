"""The Bus port on NATS JetStream.

There are three streams: ``SOUNDWRIGHT_CMD`` is a work queue, in which a message stays until a worker acknowledges it.
``SOUNDWRIGHT_EVT`` keeps events for an hour. ``SOUNDWRIGHT_COUNT`` keeps counters in memory. The ledger of jobs is the
source of truth: if a stream is lost, jobs are delayed, but none is lost.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError, ConnectionReconnectingError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import Header, StreamState
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError, ServiceUnavailableError

from soundwright.kit import errors
from soundwright.kit.adapters.nats.client import BrokerAccess, Locate, PersistentClient, explain
from soundwright.kit.adapters.nats.consumer import NatsConsumer
from soundwright.kit.adapters.nats.streams import COMMAND_STREAM, prepare_streams
from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger

_REQUEST_SECONDS = 5.0
_FIRST_ATTEMPT_SHARE = 0.15
_RETRY_SECONDS = 0.1
_PREPARE_RETRY_SECONDS = 0.5
_STARTING_SECONDS = 3.0
_CANCEL_SECONDS = 1.0
_PENDING_LIMIT = 10_000
_PENDING_LIMIT_BYTES = 16 * 1024**2
# Errors of JetStream: a limit of storage, of a stream or of an account is reached.
_FULL = frozenset({10002, 10023, 10047, 10077, 10122})
log = get_logger()


class NatsBus:
    """A :class:`soundwright.kit.ports.Bus`.

    It connects in the background, and reconnects until it is closed. With each new connection it creates what the broker lacks:
    its consumers, and the streams if it manages them.
    """

    def __init__(self, *, replica_count: int, manages_streams: bool, request_seconds: float) -> None:
        """
        Args:
            replica_count: on how many servers of a cluster the streams are stored.
            manages_streams: create the streams that are missing, and bring the others to the current configuration once.
            request_seconds: deadline of one request to the broker.
        """
        self._client = PersistentClient()
        self._js: JetStreamContext = self._client.jetstream(timeout=request_seconds)
        self._replica_count = replica_count
        self._manages_streams = manages_streams
        self._update = True
        self._request_seconds = request_seconds
        self._consumers: list[NatsConsumer] = []
        self._unopened: list[NatsSubscription] = []
        self._connecting: asyncio.Task[None] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._prepared = asyncio.Event()
        self._problems: list[str] = []
        self._incompatible: AppError | None = None

    @classmethod
    async def connect(
        cls,
        url: str | Locate,
        *,
        name: str,
        timeout_seconds: float = 30.0,
        access: BrokerAccess | None = None,
        replica_count: int = 1,
        manages_streams: bool = True,
        request_seconds: float = _REQUEST_SECONDS,
    ) -> "NatsBus":
        """Connect to one of the servers in ``url``, which are separated by commas.

        If the broker cannot be used within ``timeout_seconds``, the bus is returned nevertheless. It connects as soon as
        the broker can be used.
        """
        bus = cls(replica_count=replica_count, manages_streams=manages_streams, request_seconds=request_seconds)

        async def open_client() -> None:
            await bus._client.open(
                url, name=name, access=access or BrokerAccess(), on_error=bus._on_error, on_reconnect=bus._on_connect
            )
            await bus._on_connect()

        bus._connecting = asyncio.create_task(open_client())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await bus._prepared.wait()
        return bus

    async def _on_error(self, error: Exception) -> None:
        self._report(explain(error))

    def _report(self, problem: str) -> None:
        """Log why the broker cannot be used: each reason once until it can be used again."""
        if problem not in self._problems:
            self._problems.append(problem)
            log.warning("broker.problem", error=problem)

    async def _on_connect(self) -> None:
        self._prepared.clear()
        self._prepare()

    def _prepare(self) -> None:
        """Start to create what the broker lacks, unless that is under way."""
        # In a separate task, because the driver waits for its callbacks before it uses the connection.
        if self._preparing is None or self._preparing.done():
            self._preparing = asyncio.create_task(self._prepare_until_done())

    async def _prepare_until_done(self) -> None:
        started = time.monotonic()
        while True:
            try:
                while self._unopened:
                    await self._unopened.pop().open(self._client)
                if self._manages_streams:
                    await prepare_streams(self._js, self._replica_count, update=self._update)
                    self._update = False
                for consumer in self._consumers:
                    await consumer.create()
                break
            except AppError as error:  # the streams continue with their old configuration
                self._update = False
                self._incompatible = error
                log.error("broker.stream_incompatible", error=error.message)
            except (NatsError, TimeoutError) as error:
                # JetStream answers a moment after the server does.
                if time.monotonic() - started > _STARTING_SECONDS:
                    self._report(_explain_refusal(error))
                await asyncio.sleep(_PREPARE_RETRY_SECONDS if self._problems else _RETRY_SECONDS)
        self._prepared.set()
        if self._problems:
            log.info("broker.available")
            self._problems.clear()

    def check_streams(self) -> None:
        """Check that the streams have the current configuration. Raises ``STREAM_INCOMPATIBLE``, with the reason."""
        if self._incompatible is not None:
            raise self._incompatible

    async def publish(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str] | None = None
    ) -> None:
        with _translated():
            await self._publish_persistently(subject, payload, {"Nats-Msg-Id": message_id, **(headers or {})})

    async def _publish_persistently(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        """Publish, and try again while servers restart, elect a leader or lack the stream.

        A message that was stored although its confirmation was lost is not stored again, because it has the same id.
        """
        deadline = time.monotonic() + self._request_seconds
        attempt_seconds = _FIRST_ATTEMPT_SHARE * self._request_seconds
        while True:
            remaining_seconds = deadline - time.monotonic()
            try:
                await self._js.publish(
                    subject, payload, timeout=min(attempt_seconds, remaining_seconds), headers=headers
                )
                return
            except (TimeoutError, ConnectionReconnectingError, NoStreamResponseError, ServiceUnavailableError) as error:
                self._prepare()
                if _is_full(error) or time.monotonic() + _RETRY_SECONDS >= deadline:
                    raise
                if isinstance(error, TimeoutError):
                    attempt_seconds *= 2
            await asyncio.sleep(_RETRY_SECONDS)

    async def publish_transient(self, subject: str, payload: bytes) -> None:
        with contextlib.suppress(NatsError, TimeoutError):
            await self._client.publish(subject, payload)

    async def consumer(self, durable: str, subject: str, *, ack_wait_seconds: float) -> NatsConsumer:
        consumer = NatsConsumer(
            self._client, self._js, durable, subject, ack_wait_seconds, self._request_seconds, self._prepare
        )
        self._consumers.append(consumer)
        if self._prepared.is_set():
            try:
                await consumer.create()
            except (NatsError, TimeoutError) as error:
                self._prepared.clear()
                self._report(_explain_refusal(error))
                self._prepare()
        return consumer

    async def subscribe(self, pattern: str, listener: Callable[[str, bytes], None]) -> "NatsSubscription":
        subscription = NatsSubscription(pattern, listener)
        if self._connecting is not None and self._connecting.done():
            await subscription.open(self._client)
            with contextlib.suppress(NatsError, TimeoutError):  # the driver repeats the subscription when it reconnects
                # The driver's ping may overtake buffered writes such as this subscription. They are written before the
                # first pong arrives, so the second pong confirms that the broker has the subscription.
                for _ in range(2):
                    await self._client.flush(timeout=self._request_seconds)
        else:
            self._unopened.append(subscription)
        return subscription

    async def increment(self, counter: str, amount: int = 1) -> int:
        with _translated():
            if not self._client.is_connected:  # the driver would buffer the message
                raise ConnectionClosedError
            headers = {Header.INCR: str(amount)}
            try:
                ack = await self._js.publish(f"soundwright.count.{counter}", headers=headers)
            except NoStreamResponseError:
                self._prepare()
                raise
        return int(ack.val)

    async def backlog(self, subject: str) -> int:
        stored = ((await self._command_stream(subject)).subjects or {}).get(subject, 0)
        if not stored:
            return 0
        # After a crash, the broker may keep messages that their consumer has finished. Nobody gets them again.
        # While a consumer is being created, it reports no pending messages. It has delivered none either.
        with _translated():
            consumers = await self._js.consumers_info(COMMAND_STREAM)
        for consumer in consumers:
            delivered = consumer.delivered is not None and consumer.delivered.consumer_seq > 0
            if consumer.config.filter_subject == subject and delivered:
                return min(stored, (consumer.num_pending or 0) + (consumer.num_ack_pending or 0))
        return stored

    async def check(self) -> None:
        if not (self._client.is_connected and self._prepared.is_set()):
            reason = " ".join(self._problems) or "The connection to the message broker is down. It is retried."
            raise errors.BROKER_UNAVAILABLE(reason)
        if self._manages_streams:  # another component may miss a stream that this one does not use
            with _translated():
                await prepare_streams(self._js, self._replica_count, update=False)
        if self._manages_streams or self._consumers:
            await self._command_stream()

    async def _command_stream(self, subject: str | None = None) -> StreamState:
        """Return the state of the stream of commands.

        Args:
            subject: also count the messages of this subject.
        """
        with _translated():
            try:
                info = await self._js.stream_info(COMMAND_STREAM, subjects_filter=subject)
            except NotFoundError:
                self._prepare()
                raise
        if info.cluster is not None and not info.cluster.leader:  # another server answers, which knows no messages
            raise errors.BROKER_UNAVAILABLE(
                "The message broker cannot store messages, because too few servers of its cluster run. Start the others."
            )
        return info.state

    async def close(self) -> None:
        for task in filter(None, (self._connecting, self._preparing)):
            while not task.done():
                task.cancel()  # repeatedly, because asyncio.wait_for in the driver can lose one (Python 3.11)
                await asyncio.wait((task,), timeout=_CANCEL_SECONDS)
            await asyncio.gather(task, return_exceptions=True)
        with contextlib.suppress(NatsError, TimeoutError, OSError):
            async with asyncio.timeout(self._request_seconds):
                await self._client.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Convert errors of the driver to ``AppError``."""
    try:
        yield
    except (NatsError, TimeoutError) as error:
        if _is_full(error):
            raise errors.BROKER_FULL(_explain_refusal(error)) from error
        raise errors.BROKER_UNAVAILABLE() from error


def _is_full(error: Exception) -> bool:
    return isinstance(error, APIError) and error.err_code in _FULL


def _explain_refusal(error: Exception) -> str:
    """Return why JetStream refuses a request, and what to do."""
    if _is_full(error):
        return f"The message broker is full: {error}. Raise its limits (max_file_store), or free disk space."
    if isinstance(error, NotFoundError):
        return "The broker has no stream for commands. The library creates it when it starts; so does `python -m soundwright.services.broker init`."
    if isinstance(error, (ServiceUnavailableError, TimeoutError)):
        return (
            "JetStream does not answer. Check that it is enabled in the broker (jetstream), and that most servers of the "
            "cluster run."
        )
    if isinstance(error, APIError):
        return f"JetStream refuses a request: {error.description}. Check SOUNDWRIGHT_NATS_REPLICA_COUNT and the limits."
    return explain(error)


class NatsSubscription:
    """A :class:`soundwright.kit.ports.Subscription`."""

    def __init__(self, pattern: str, listener: Callable[[str, bytes], None]) -> None:
        self._pattern = pattern
        self._listener = listener
        self._subscription: Subscription | None = None
        self._closed = False

    async def open(self, client: PersistentClient) -> None:
        """Subscribe, unless the subscription was closed in the meantime."""

        async def on_message(message: Msg) -> None:
            try:
                self._listener(message.subject, message.data)
            except Exception:
                log.exception("broker.listener_failed", subject=message.subject)

        if not self._closed:
            self._subscription = await client.subscribe(
                self._pattern,
                cb=on_message,
                pending_msgs_limit=_PENDING_LIMIT,
                pending_bytes_limit=_PENDING_LIMIT_BYTES,
            )

    async def close(self) -> None:
        self._closed = True
        if self._subscription is not None:
            with contextlib.suppress(NatsError):
                await self._subscription.unsubscribe()

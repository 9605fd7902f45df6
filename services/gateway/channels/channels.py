"""Phoenix channels on one socket: clients join and leave topics about jobs."""

import asyncio
from collections.abc import Callable, Iterable

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import get_logger
from soundwright.kit.security.identity import Principal, principal_scope
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.channels.feed import JobFeed
from soundwright.services.gateway.channels.phoenix import Connection, Message, Version, decode, encode
from soundwright.services.gateway.channels.send_buffer import SendBuffer
from soundwright.services.gateway.channels.topics import FinalPush, JobTopic, Push
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.records import created_track
from soundwright.services.gateway.wire.parameters import require_uuid

_PREFIX = "jobs:"
_JOIN_SECONDS = 5.0
log = get_logger()


class Channels:
    """The channels of one client."""

    def __init__(
        self,
        principal: Principal,
        version: Version,
        clients: Clients,
        feed: JobFeed,
        final_push: FinalPush,
        topic_limit: int,
    ) -> None:
        self._principal = principal
        self._version = version
        self._clients = clients
        self._feed = feed
        self._final_push = final_push
        self._connection = Connection(lambda topic: topic.startswith(_PREFIX), topic_limit)
        self._send_buffer = SendBuffer()
        self._listeners: dict[str, TopicListener] = {}  # by topic

    async def receive(self, text: str) -> None:
        """Handle a text message of the client.

        Raises ``MalformedMessage``: the text is not a message of the protocol. The socket is closed.
        """
        step = self._connection.receive(decode(text, self._version))
        if step.left:
            self._leave(step.left)
        self._put(step.send)
        if step.join is not None:
            await self._join(step.join)

    async def drain(self) -> None:
        """Wait until the send buffer has room for the response to another message."""
        await self._send_buffer.drain()

    async def next_message(self) -> str:
        """Wait for the next message to send and return it."""
        return encode(await self._send_buffer.next_message(), self._version)

    def close(self) -> None:
        """Release resources after the socket has closed."""
        for topic in list(self._listeners):
            self._leave(topic)

    async def _join(self, message: Message) -> None:
        try:
            shown_id = message.topic.removeprefix(_PREFIX)
            job_id = require_uuid(shown_id, errors.JOB_NOT_FOUND)
            listener = TopicListener(self, message.topic, job_id, JobTopic(shown_id, self._final_push))
            # Subscribe before reading, so that no event between the two is missed.
            self._feed.subscribe_job(job_id, listener)
            self._listeners[message.topic] = listener
            with principal_scope(self._principal):
                async with asyncio.timeout(_JOIN_SECONDS):
                    job = (await self._clients.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
                    track = await created_track(self._clients, job)
        except (AppError, TimeoutError) as error:
            self._leave(message.topic)
            self._put(self._connection.refuse(message, _refusal(error)))
            return
        self._put(self._connection.accept(message))
        self._push(message.topic, listener.job_topic.open(job, track))
        if listener.job_topic.ended:
            self._feed.unsubscribe_job(job_id, listener)

    def _leave(self, topic: str) -> None:
        listener = self._listeners.pop(topic, None)
        if listener is not None:
            self._feed.unsubscribe_job(listener.job_id, listener)
        self._send_buffer.discard_topic(topic)

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._send_buffer.put(message)

    def _push(self, topic: str, pushes: Iterable[Push]) -> None:
        for push in pushes:
            message = self._connection.push(topic, push.event, push.payload)
            (self._send_buffer.put if push.required else self._send_buffer.put_progress)(message)


class TopicListener:
    """A :class:`~soundwright.services.gateway.channels.feed.JobListener`: tells the client that has joined the job's topic."""

    def __init__(self, channels: Channels, topic: str, job_id: str, job_topic: JobTopic) -> None:
        self._channels = channels
        self._topic = topic
        self.job_id = job_id
        self.job_topic = job_topic

    def on_progress(self, event: events_pb2.JobProgressed) -> None:
        self._push_changes(lambda: self.job_topic.on_progress(event))

    def on_record(self, job: job_pb2.Job, track: track_pb2.Track | None) -> None:
        self._push_changes(lambda: self.job_topic.on_record(job, track))

    def _push_changes(self, update: Callable[[], list[Push]]) -> None:
        try:
            self._channels._push(self._topic, update())
        except Exception:
            log.exception("channel.crashed", job_id=self.job_id)
            self._channels._leave(self._topic)
            self._channels._put(self._channels._connection.crash(self._topic))

    def on_deleted(self) -> None:
        self._channels._send_buffer.discard_topic(self._topic)
        self._channels._put(self._channels._connection.close(self._topic))


def _refusal(error: AppError | TimeoutError) -> str:
    code = error.code if isinstance(error, AppError) else Code.TIMEOUT
    return {Code.PERMISSION_DENIED: "unauthorized", Code.NOT_FOUND: "not_found"}.get(code, "unavailable")

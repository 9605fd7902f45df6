"""What is spoken on a socket by the Phoenix channel protocol: joining, leaving, and what is told about jobs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from soundwright.library.v1 import events_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from kit.identity import Principal, principal_scope
from kit.log import get_logger
from services.gateway.clients import Clients
from services.gateway.params import require_uuid
from services.gateway.socket.feed import JobFeed, result_of
from services.gateway.socket.handshake import Doorkeeper, Visitor
from services.gateway.socket.outbox import Outbox
from services.gateway.socket.phoenix import Connection, Message, Version, decode, encode, version_of
from services.gateway.socket.talk import Talk
from services.gateway.socket.topics import JobChannel, Push, named_id, serves
from services.gateway.socket.transport import Endpoint

__all__ = ["Channels", "channels_endpoint"]

_JOIN_SECONDS = 5.0
log = get_logger()


def channels_endpoint(doorkeeper: Doorkeeper, clients: Clients, feed: JobFeed, topic_limit: int) -> Endpoint:
    """``/socket/websocket``."""

    def talk(visitor: Visitor, fields: Mapping[str, str]) -> Talk | None:
        version = version_of(fields.get("vsn", ""))
        return Channels(visitor.principal, version, clients, feed, topic_limit) if version else None

    return Endpoint(doorkeeper.admit, talk)


class Channels:
    """The channels of one client. A :class:`~services.gateway.socket.talk.Talk`."""

    def __init__(
        self, principal: Principal, version: Version, clients: Clients, feed: JobFeed, topic_limit: int
    ) -> None:
        self._principal = principal
        self._version = version
        self._clients = clients
        self._feed = feed
        self._connection = Connection(serves, topic_limit)
        self._outbox = Outbox()
        self._listeners: dict[str, _Listener] = {}  # by topic

    async def take(self, text: str) -> None:
        step = self._connection.receive(decode(text, self._version))
        if step.left:
            self._forget(step.left)
        self._put(step.send)
        if step.join is not None:
            await self._join(step.join)

    async def room(self) -> None:
        await self._outbox.room()

    async def next(self) -> str:
        return encode(await self._outbox.next(), self._version)

    def end(self) -> None:
        for topic in list(self._listeners):
            self._forget(topic)

    async def _join(self, message: Message) -> None:
        try:
            job_id = require_uuid(named_id(message.topic), "job")
            listener = _Listener(self, message.topic, job_id)
            # Listen, then look: what happens between the two is heard, and told after the snapshot.
            self._feed.listen(job_id, listener)
            self._listeners[message.topic] = listener
            with principal_scope(self._principal):
                async with asyncio.timeout(_JOIN_SECONDS):
                    job = (await self._clients.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
                    result = await result_of(self._clients, job)
        except (AppError, TimeoutError) as error:
            self._forget(message.topic)
            self._put(self._connection.refuse(message, _refusal(error)))
            return
        self._put(self._connection.accept(message))
        self._push(message.topic, listener.channel.open(job, result))
        if listener.channel.ended:
            self._feed.leave(job_id, listener)

    def _forget(self, topic: str) -> None:
        listener = self._listeners.pop(topic, None)
        if listener is not None:
            self._feed.leave(listener.job_id, listener)
        self._outbox.forget(topic)

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._outbox.put(message)

    def _push(self, topic: str, pushes: Iterable[Push]) -> None:
        for push in pushes:
            message = self._connection.push(topic, push.event, push.payload)
            (self._outbox.put if push.lasting else self._outbox.offer)(message)


class _Listener:
    """Hears of a job on behalf of a topic."""

    def __init__(self, channels: Channels, topic: str, job_id: str) -> None:
        self._channels = channels
        self._topic = topic
        self.job_id = job_id
        self.channel = JobChannel(named_id(topic))

    def hear(self, event: events_pb2.JobProgressed) -> None:
        self._tell(lambda: self.channel.hear(event))

    def read(self, job: job_pb2.Job, result: dict[str, Any] | None) -> None:
        self._tell(lambda: self.channel.read(job, result))

    def _tell(self, learn: Callable[[], list[Push]]) -> None:
        try:
            self._channels._push(self._topic, learn())
        except Exception:
            log.exception("channel.crashed", job_id=self.job_id)
            self._channels._forget(self._topic)
            self._channels._put(self._channels._connection.crash(self._topic))

    def gone(self) -> None:
        self._channels._outbox.forget(self._topic)
        self._channels._put(self._channels._connection.close(self._topic))


def _refusal(error: AppError | TimeoutError) -> str:
    code = error.code if isinstance(error, AppError) else Code.TIMEOUT
    return {Code.PERMISSION_DENIED: "unauthorized", Code.NOT_FOUND: "not_found"}.get(code, "unavailable")

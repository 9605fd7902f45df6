"""One socket of one client, from the handshake to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from soundwright.library.v1 import events_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.types import Receive, Send

from kit.errors import AppError, Code
from kit.identity import principal_scope
from kit.log import get_logger
from kit.metrics import SOCKET_MESSAGES
from services.gateway.clients import Clients
from services.gateway.params import require_uuid
from services.gateway.settings import GatewaySettings
from services.gateway.socket.feed import JobFeed, result_of
from services.gateway.socket.handshake import Visitor
from services.gateway.socket.outbox import Outbox
from services.gateway.socket.phoenix import Connection, MalformedMessage, Message, Version, decode, encode
from services.gateway.socket.topics import JobChannel, Push, named_id, serves

__all__ = ["Closing", "Socket"]

_JOIN_SECONDS = 5.0
_BURST_COUNT = 200
_REFILL_PER_SECOND = 50.0
log = get_logger()


@dataclass(frozen=True)
class Closing:
    """Why a socket ends: a close code of RFC 6455, 7.4, and a word for client, log and metric. Code 0: it has ended."""

    code: int
    reason: str


GONE = Closing(0, "client gone")
IDLE = Closing(1002, "idle")
BINARY = Closing(1003, "binary frames are not spoken here")
MALFORMED = Closing(1007, "malformed message")
CRASHED = Closing(1011, "internal error")
SLOW = Closing(1013, "too slow")


class Socket:
    """Reads, answers and pushes until one of both sides ends it.

    A client that sends too much is read more slowly, one that does not read is written to no further; neither costs more
    than its share of memory, or keeps others waiting.
    """

    def __init__(
        self,
        visitor: Visitor,
        version: Version,
        clients: Clients,
        feed: JobFeed,
        settings: GatewaySettings,
        receive: Receive,
        send: Send,
    ) -> None:
        self.visitor = visitor
        self._version = version
        self._clients = clients
        self._feed = feed
        self._settings = settings
        self._receive = receive
        self._send = send
        self._connection = Connection(serves, settings.socket_topic_limit)
        self._outbox = Outbox()
        self._listeners: dict[str, _Listener] = {}  # by topic
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()

    def close(self, closing: Closing) -> None:
        """End the socket soon; the first reason counts."""
        if not self._closing.done():
            self._closing.set_result(closing)

    async def run(self) -> Closing:
        """Serve until the end, which the client has not been told yet."""
        tasks = [asyncio.create_task(self._guarded(work)) for work in (self._read(), self._write())]
        try:
            return await self._closing
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for topic in self._connection.topics:
                self._forget(topic)

    async def _guarded(self, work: Any) -> None:
        try:
            self.close(await work)
        except Exception:
            log.exception("socket.crashed")
            self.close(CRASHED)

    # ------------------------------------------------------------------------------------------------------- reading

    async def _read(self) -> Closing:
        loop = asyncio.get_running_loop()
        allowance, seen_at = float(_BURST_COUNT), loop.time()
        while True:
            await self._outbox.room()
            try:
                async with asyncio.timeout(self._settings.socket_idle_seconds):
                    frame = await self._receive()
            except TimeoutError:
                return IDLE
            if frame["type"] == "websocket.disconnect":
                return GONE
            SOCKET_MESSAGES.labels("received").inc()
            if frame.get("text") is None:
                return BINARY
            try:
                message = decode(frame["text"], self._version)
            except MalformedMessage:
                return MALFORMED
            await self._take(message)
            now = loop.time()
            allowance, seen_at = min(_BURST_COUNT, allowance + (now - seen_at) * _REFILL_PER_SECOND) - 1, now
            if allowance < 0:
                await asyncio.sleep(-allowance / _REFILL_PER_SECOND)

    async def _take(self, message: Message) -> None:
        step = self._connection.receive(message)
        if step.left:
            self._forget(step.left)
        self._put(step.send)
        if step.join is not None:
            await self._join(step.join)

    async def _join(self, message: Message) -> None:
        try:
            job_id = require_uuid(named_id(message.topic), "job")
            listener = _Listener(self, message.topic, job_id)
            # Listen, then look: what happens between the two is heard, and told after the snapshot.
            self._feed.listen(job_id, listener)
            self._listeners[message.topic] = listener
            with principal_scope(self.visitor.principal):
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

    # ------------------------------------------------------------------------------------------------------- writing

    async def _write(self) -> Closing:
        while True:
            text = encode(await self._outbox.next(), self._version)
            try:
                async with asyncio.timeout(self._settings.socket_stall_seconds):
                    await self._send({"type": "websocket.send", "text": text})
            except TimeoutError:
                return SLOW
            except OSError:  # what servers raise once the client is gone
                return GONE
            SOCKET_MESSAGES.labels("sent").inc()

    def _put(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._outbox.put(message)

    def _push(self, topic: str, pushes: Iterable[Push]) -> None:
        for push in pushes:
            message = self._connection.push(topic, push.event, push.payload)
            (self._outbox.put if push.lasting else self._outbox.offer)(message)


class _Listener:
    """Hears of a job on behalf of a topic of a socket."""

    def __init__(self, socket: Socket, topic: str, job_id: str) -> None:
        self._socket = socket
        self._topic = topic
        self.job_id = job_id
        self.channel = JobChannel(named_id(topic))

    def hear(self, event: events_pb2.JobProgressed) -> None:
        self._tell(lambda: self.channel.hear(event))

    def read(self, job: job_pb2.Job, result: dict[str, Any] | None) -> None:
        self._tell(lambda: self.channel.read(job, result))

    def _tell(self, learn: Callable[[], list[Push]]) -> None:
        try:
            self._socket._push(self._topic, learn())
        except Exception:
            log.exception("channel.crashed", job_id=self.job_id)
            self._socket._forget(self._topic)
            self._socket._put(self._socket._connection.crash(self._topic))

    def gone(self) -> None:
        self._socket._outbox.forget(self._topic)
        self._socket._put(self._socket._connection.close(self._topic))


def _refusal(error: AppError | TimeoutError) -> str:
    code = error.code if isinstance(error, AppError) else Code.TIMEOUT
    return {Code.PERMISSION_DENIED: "unauthorized", Code.NOT_FOUND: "not_found"}.get(code, "unavailable")

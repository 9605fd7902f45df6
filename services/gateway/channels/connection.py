"""Reads and writes an open WebSocket until one side closes it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.types import Receive, Send

from soundwright.kit.log import get_logger
from soundwright.kit.metrics import SOCKET_MESSAGES
from soundwright.services.gateway.channels.authenticator import ConnectionIdentity
from soundwright.services.gateway.channels.channels import Channels
from soundwright.services.gateway.channels.phoenix import MalformedMessage
from soundwright.services.gateway.settings import GatewaySettings

_BURST_COUNT = 200
_REFILL_PER_SECOND = 50.0
log = get_logger()


@dataclass(frozen=True)
class Closing:
    """Why a socket closes.

    Attributes:
        code: close code (RFC 6455, 7.4). 0 if the connection is closed already.
        reason: text for the client, the log and the metric.
    """

    code: int
    reason: str


GONE = Closing(0, "client gone")
IDLE = Closing(1002, "idle")
BINARY = Closing(1003, "binary frames are not supported")
MALFORMED = Closing(1007, "malformed message")
CRASHED = Closing(1011, "internal error")
SLOW = Closing(1013, "too slow")


class Socket:
    """A WebSocket with backpressure in both directions.

    If a client sends too fast, its messages are read more slowly. If it does not read, the socket is closed. So the
    memory of a socket is bounded, and slow clients do not delay others.
    """

    def __init__(
        self, identity: ConnectionIdentity, channels: Channels, settings: GatewaySettings, receive: Receive, send: Send
    ) -> None:
        self.identity = identity
        self._channels = channels
        self._settings = settings
        self._receive = receive
        self._send = send
        self._closing: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()

    def close(self, closing: Closing) -> None:
        """Close the socket soon. Later calls do not change the reason."""
        if not self._closing.done():
            self._closing.set_result(closing)

    async def run(self) -> Closing:
        """Serve the socket. Return why it closes; the caller sends the close frame."""
        tasks = [asyncio.create_task(self._guarded(work)) for work in (self._read, self._write)]
        try:
            return await self._closing
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._channels.close()

    async def _guarded(self, work: Callable[[], Awaitable[Closing]]) -> None:
        try:
            self.close(await work())
        except Exception:
            log.exception("socket.crashed")
            self.close(CRASHED)

    async def _read(self) -> Closing:
        loop = asyncio.get_running_loop()
        allowance, seen_at = float(_BURST_COUNT), loop.time()
        while True:
            await self._channels.drain()
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
                await self._channels.receive(frame["text"])
            except MalformedMessage:
                return MALFORMED
            now = loop.time()
            allowance, seen_at = min(_BURST_COUNT, allowance + (now - seen_at) * _REFILL_PER_SECOND) - 1, now
            if allowance < 0:
                await asyncio.sleep(-allowance / _REFILL_PER_SECOND)

    async def _write(self) -> Closing:
        while True:
            text = await self._channels.next_message()
            try:
                async with asyncio.timeout(self._settings.socket_stall_seconds):
                    await self._send({"type": "websocket.send", "text": text})
            except TimeoutError:
                return SLOW
            except OSError:  # servers raise this after the client has disconnected
                return GONE
            SOCKET_MESSAGES.labels("sent").inc()

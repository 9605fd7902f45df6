"""One socket of one client, from the handshake to its end, whatever is spoken on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass

from starlette.types import Receive, Send

from kit.log import get_logger
from kit.metrics import SOCKET_MESSAGES
from services.gateway.settings import GatewaySettings
from services.gateway.socket.handshake import Visitor
from services.gateway.socket.talk import MalformedMessage, Talk

__all__ = ["Closing", "Socket"]

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

    def __init__(self, visitor: Visitor, talk: Talk, settings: GatewaySettings, receive: Receive, send: Send) -> None:
        self.visitor = visitor
        self._talk = talk
        self._settings = settings
        self._receive = receive
        self._send = send
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
            self._talk.end()

    async def _guarded(self, work: Awaitable[Closing]) -> None:
        try:
            self.close(await work)
        except Exception:
            log.exception("socket.crashed")
            self.close(CRASHED)

    async def _read(self) -> Closing:
        loop = asyncio.get_running_loop()
        allowance, seen_at = float(_BURST_COUNT), loop.time()
        while True:
            await self._talk.room()
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
                await self._talk.take(frame["text"])
            except MalformedMessage:
                return MALFORMED
            now = loop.time()
            allowance, seen_at = min(_BURST_COUNT, allowance + (now - seen_at) * _REFILL_PER_SECOND) - 1, now
            if allowance < 0:
                await asyncio.sleep(-allowance / _REFILL_PER_SECOND)

    async def _write(self) -> Closing:
        while True:
            text = await self._talk.next()
            try:
                async with asyncio.timeout(self._settings.socket_stall_seconds):
                    await self._send({"type": "websocket.send", "text": text})
            except TimeoutError:
                return SLOW
            except OSError:  # what servers raise once the client is gone
                return GONE
            SOCKET_MESSAGES.labels("sent").inc()

"""The WebSocket endpoints: who may open a socket, how many there are, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from asyncio import BaseTransport
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from kit.errors import AppError, Code
from kit.log import correlation_scope, get_logger
from kit.metrics import SOCKETS_CLOSED, SOCKETS_OPEN
from services.gateway.limits import RateClass, RateLimiter
from services.gateway.settings import GatewaySettings
from services.gateway.socket.connection import Closing, Socket
from services.gateway.socket.feed import JobFeed
from services.gateway.socket.handshake import Credential, Doorkeeper, Visitor, fields_of
from services.gateway.socket.talk import Talk

__all__ = ["Endpoint", "SocketProtocol", "Sockets"]

_CLOSE_SECONDS = 1.0
_LOOK_LIMIT = 8
_UNREAD_SECONDS = 30
log = get_logger()


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol, whose connections do not outlive a client that stops reading.

    What is written to such a client fits nowhere, and a connection is not closed before it is delivered.
    """

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1000)


@dataclass(frozen=True)
class Endpoint:
    """What is served at one path.

    Attributes:
        admit: who comes in, from the handshake and its parameters; raises an :class:`AppError` for those who may not.
        talk: what is spoken with them; None: nothing that they ask for.
    """

    admit: Callable[[Scope, Mapping[str, str]], Awaitable[Visitor]]
    talk: Callable[[Visitor, Mapping[str, str]], Talk | None]


class Sockets:
    """ASGI: serves the endpoints, and passes everything else on to ``site``.

    Args:
        endpoints: by path.
    """

    def __init__(
        self,
        site: ASGIApp,
        endpoints: Mapping[str, Endpoint],
        doorkeeper: Doorkeeper,
        limiter: RateLimiter,
        feed: JobFeed,
        settings: GatewaySettings,
    ) -> None:
        self._site = site
        self._endpoints = endpoints
        self._doorkeeper = doorkeeper
        self._limiter = limiter
        self._feed = feed
        self._settings = settings
        self._sockets: set[Socket] = set()
        self._counts: Counter[str] = Counter()  # by principal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._site(scope, receive, send)
            return
        query = scope["query_string"].decode("latin-1")
        scope["query_string"] = b""  # the server logs its scope, and the query may hold a token
        endpoint = self._endpoints.get(scope["path"].removesuffix("/"))
        if endpoint is None:
            await WebSocket(scope, receive, send).close()
            return
        with correlation_scope(""):
            await self._serve(endpoint, scope, receive, send, fields_of(query))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Feed the sockets, and look again and again whose they are, for the length of the block."""
        looking = asyncio.create_task(self._look_again())
        try:
            async with self._feed.running():
                yield
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)

    async def _serve(
        self, endpoint: Endpoint, scope: Scope, receive: Receive, send: Send, fields: Mapping[str, str]
    ) -> None:
        opening = WebSocket(scope, receive, send)
        peer = self._doorkeeper.peer(scope)
        if self._limiter.take(f"address:{peer}", RateClass.POLLING).retry_after_seconds:
            await _deny(opening, 429)
            return
        try:
            visitor = await endpoint.admit(scope, fields)
        except AppError as error:
            refused = error.code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)
            log.info("socket.refused", reason=error.reason)
            await _deny(opening, 403 if refused else 503)
            return
        talk = endpoint.talk(visitor, fields)
        if talk is None:
            await _deny(opening, 403)
            return
        principal_id = visitor.principal.id
        full = len(self._sockets) >= self._settings.socket_limit
        if full or self._counts[principal_id] >= self._settings.socket_caller_limit:
            await _deny(opening, 503 if full else 429)
            return
        served = Socket(visitor, talk, self._settings, receive, send)
        self._sockets.add(served)
        self._counts[principal_id] += 1
        SOCKETS_OPEN.inc()
        closing = Closing(0, "handshake cut")
        try:
            cookie = self._doorkeeper.renewed_cookie(scope, visitor.session)
            headers = [(b"set-cookie", cookie.encode())] if cookie else []
            await opening.accept(visitor.subprotocol, headers)
            log.info("socket.opened", principal=principal_id)
            closing = await served.run()
            if closing.code:
                # A client that does not read cannot be told either.
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})
        except asyncio.CancelledError:  # this task is the socket, so there is nobody else to tell about it
            closing = Closing(0, "stopping")
        finally:
            self._sockets.discard(served)
            self._counts[principal_id] -= 1
            if not self._counts[principal_id]:
                del self._counts[principal_id]
            SOCKETS_OPEN.dec()
            SOCKETS_CLOSED.labels(closing.reason).inc()
            log.info("socket.closed", principal=principal_id, reason=closing.reason, code=closing.code)

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self._settings.socket_check_seconds)
            sockets: defaultdict[Credential, list[Socket]] = defaultdict(list)
            for served in self._sockets:
                sockets[served.visitor.credential].append(served)
            gate = asyncio.Semaphore(_LOOK_LIMIT)
            await asyncio.gather(*(self._look_at(gate, *item) for item in sockets.items()))

    async def _look_at(self, gate: asyncio.Semaphore, credential: Credential, sockets: list[Socket]) -> None:
        async with gate:
            try:
                principal = await self._doorkeeper.look_again(credential)
            except AppError as error:
                if error.code not in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
                    return  # the library is away; it was asked a few seconds ago, and will be again
                for served in sockets:
                    served.close(Closing(1008, "unauthorized"))
                return
        for served in sockets:
            if principal not in (None, served.visitor.principal):
                served.close(Closing(1008, "role changed"))


async def _deny(opening: WebSocket, status: int) -> None:
    """Refuse the handshake."""
    if status == 403:
        await opening.close()  # which is what servers make of it
    else:
        await opening.send_denial_response(PlainTextResponse("", status, {"Retry-After": "30"}))

"""Serves WebSocket endpoints: handshakes, limits on open connections, and closing."""

import asyncio
import contextlib
import socket
from asyncio import BaseTransport
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import correlation_scope, get_logger
from soundwright.kit.metrics import SOCKETS_CLOSED, SOCKETS_OPEN
from soundwright.kit.periodic import every
from soundwright.kit.security.identity import NETWORK_SHARE
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.channels.authenticator import Credential, SocketAuthenticator, fields_of
from soundwright.services.gateway.channels.channels import Channels
from soundwright.services.gateway.channels.connection import Closing, Socket
from soundwright.services.gateway.channels.feed import JobFeed
from soundwright.services.gateway.channels.phoenix import version_of
from soundwright.services.gateway.channels.topics import FinalPush
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.settings import GatewaySettings

PATH = "/socket/websocket"
_CLOSE_SECONDS = 1.0
_REVALIDATION_LIMIT = 8
_UNREAD_SECONDS = 30
_FRAME_LIMIT = 1000
log = get_logger()


class SocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol with a TCP timeout for clients that stop reading, and a limit of frames that are no messages.

    Without the timeout, the connection would stay open until the unsent data is delivered. Without the limit, the answers to
    pings that a client does not read, and the fragments of a message that never ends, would fill the memory.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._frame_count = 0  # since the last message

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        raw = transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_USER_TIMEOUT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_SECONDS * 1000)

    def handle_ping(self) -> None:
        if self._counted():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        if self._counted():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        if self._counted():
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        self._frame_count = 0
        super().send_receive_event_to_app()

    def _counted(self) -> bool:
        """Count a frame. Return False, and close the connection, if there were too many."""
        self._frame_count += 1
        if self._frame_count > _FRAME_LIMIT and not self.close_sent:
            self.conn.fail(CloseCode.POLICY_VIOLATION, "too many frames")
            self.handle_parser_exception()
        return self._frame_count <= _FRAME_LIMIT


class Sockets:
    """An ASGI application that serves the Phoenix channels at :data:`PATH` and passes all other requests to ``site``."""

    def __init__(
        self,
        site: ASGIApp,
        socket_authenticator: SocketAuthenticator,
        limiter: RateLimiter,
        clients: Clients,
        feed: JobFeed,
        final_push: FinalPush,
        settings: GatewaySettings,
    ) -> None:
        self._site = site
        self._socket_authenticator = socket_authenticator
        self._limiter = limiter
        self._clients = clients
        self._feed = feed
        self._final_push = final_push
        self._settings = settings
        self._sockets: set[Socket] = set()
        self._counts: Counter[str] = Counter()  # by principal, and by network of guests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._site(scope, receive, send)
            return
        query: bytes = scope["query_string"]
        scope["query_string"] = b""  # the server logs the scope, and the query may contain a token
        if scope["path"].removesuffix("/") != PATH:
            await WebSocket(scope, receive, send).close()
            return
        with correlation_scope(""):
            await self._serve(scope, receive, send, fields_of(query))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the job feed and revalidate the credentials of open sockets inside the block."""
        seconds = self._settings.socket_check_seconds
        revalidation = asyncio.create_task(
            every(seconds, "sockets.not_checked", self._revalidate_all, first_seconds=seconds)
        )
        try:
            async with self._feed.running():
                yield
        finally:
            revalidation.cancel()
            await asyncio.gather(revalidation, return_exceptions=True)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, fields: Mapping[str, str]) -> None:
        opening = WebSocket(scope, receive, send)
        peer = self._socket_authenticator.peer(scope)
        if (await self._limiter.take(f"address:{peer}", RateClass.POLLING)).retry_after_seconds:
            await _deny(opening, 429)
            return
        try:
            identity = await self._socket_authenticator.authenticate(scope, fields)
        except AppError as error:
            refused = error.code in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED)
            log.info("socket.refused", reason=error.reason)
            await _deny(opening, 403 if refused else 503)
            return
        version = version_of(fields.get("vsn", ""))
        if version is None:
            await _deny(opening, 403)
            return
        principal_id, network = identity.principal.id, identity.principal.network
        limits = {principal_id: self._settings.socket_caller_limit}
        if network and network != principal_id:  # guests of one address have a limit together
            limits[network] = NETWORK_SHARE * self._settings.socket_caller_limit
        full = len(self._sockets) >= self._settings.socket_limit
        if full or any(self._counts[key] >= limit for key, limit in limits.items()):
            await _deny(opening, 503 if full else 429)
            return
        limit = self._settings.socket_topic_limit
        channels = Channels(identity.principal, version, self._clients, self._feed, self._final_push, limit)
        served = Socket(identity, channels, self._settings, receive, send)
        self._sockets.add(served)
        self._counts.update(limits.keys())
        SOCKETS_OPEN.inc()
        closing = Closing(0, "handshake cut")
        try:
            cookie = self._socket_authenticator.renewed_cookie(scope, identity.session)
            headers = [(b"set-cookie", cookie.encode())] if cookie else []
            await opening.accept(identity.subprotocol, headers)
            log.info("socket.opened", principal=principal_id)
            closing = await served.run()
            if closing.code:
                # Sending the close frame fails if the client does not read.
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(_CLOSE_SECONDS):
                        await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason})
        except asyncio.CancelledError:  # the server stops; no other task awaits this one
            closing = Closing(0, "stopping")
        finally:
            self._sockets.discard(served)
            for key in limits:
                self._counts[key] -= 1
                if not self._counts[key]:
                    del self._counts[key]
            SOCKETS_OPEN.dec()
            SOCKETS_CLOSED.labels(closing.reason).inc()
            log.info("socket.closed", principal=principal_id, reason=closing.reason, code=closing.code)

    async def _revalidate_all(self) -> None:
        sockets: defaultdict[Credential, list[Socket]] = defaultdict(list)
        for served in self._sockets:
            sockets[served.identity.credential].append(served)
        semaphore = asyncio.Semaphore(_REVALIDATION_LIMIT)
        await asyncio.gather(*(self._revalidate_sockets(semaphore, *item) for item in sockets.items()))

    async def _revalidate_sockets(
        self, semaphore: asyncio.Semaphore, credential: Credential, sockets: list[Socket]
    ) -> None:
        async with semaphore:
            try:
                principal = await self._socket_authenticator.revalidate(credential)
            except AppError as error:
                if error.code not in (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED):
                    return  # the library is not available; the next round tries again
                for served in sockets:
                    served.close(Closing(1008, "unauthorized"))
                return
        for served in sockets:
            seen = served.identity.principal
            if principal is not None and (principal.id, principal.role) != (seen.id, seen.role):
                served.close(Closing(1008, "role changed"))


async def _deny(opening: WebSocket, status: int) -> None:
    if status == 403:
        await opening.close()  # servers answer with status 403
    else:
        await opening.send_denial_response(PlainTextResponse("", status, {"Retry-After": "30"}))

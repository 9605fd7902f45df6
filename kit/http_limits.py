"""Limits of HTTP connections: bytes and time of each part of a request, unread responses, and the number of connections.

uvicorn limits none of them (ADR 0037). Limits of the content belong to the application.
"""

import asyncio
import contextlib
import ipaddress
import json
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from soundwright.kit import errors
from soundwright.kit.errors import ErrorType
from soundwright.kit.metrics import HTTP_REFUSED
from soundwright.kit.periodic import every, failures_logged

_PIECE_BYTES = 4096
_BODY_PIECE_BYTES = 1 << 16
_FRAMING_PER_BODY_BYTE = 8  # a chunk of one byte needs five bytes of framing
_PIPELINE_LIMIT = 16
_SLOWEST_BYTES_PER_SECOND = 1000
_LINGER_SECONDS = 5.0
_UNSENT_BYTES = 1 << 16


@dataclass(frozen=True)
class HttpLimits:
    """The limits of a listener.

    Attributes:
        head_bytes: of a request outside of its body: empty lines, request line and headers; then chunk headers and trailers.
        url_bytes: of the URL in the request line.
        head_seconds: from the first byte of a request, or from the connection, until its headers are complete.
        body_idle_seconds: without data of a body that the application reads. A body must also have 1,000 bytes per second on
            average, beyond this time.
        unread_seconds: without progress of a response that the client does not read.
        keep_alive_seconds: between two requests.
        connection_count: open connections; 0: no limit.
        address_count: open connections of one address, or of one /64 network of IPv6; 0: no limit.
    """

    head_bytes: int = 64 * 1024
    url_bytes: int = 8 * 1024
    header_count: int = 100
    head_seconds: float = 10.0
    body_idle_seconds: float = 65.0
    unread_seconds: float = 120.0
    keep_alive_seconds: int = 75
    connection_count: int = 0
    address_count: int = 0


def _response(error: ErrorType) -> bytes:
    """Return the response to a request that does not reach the application. Its body suits the clients of all dialects."""
    status = HTTPStatus(error.code.value.http_status)
    text = error.sentence
    body = json.dumps({"error": text, "code": error.reason, "message": text, "detail": text})
    retry = "Retry-After: 30\r\n" if error.code.value.retryable else ""
    head = (
        f"HTTP/1.1 {status} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{retry}"
    )
    return (
        f"{head}X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}".encode()
    )


class ConnectionGuard:
    """Creates the protocols of connections, counts them, and closes those that exceed a time. Several listeners can share one."""

    def __init__(self, limits: HttpLimits) -> None:
        self.limits = limits
        self._addresses: dict[LimitedProtocol, str] = {}
        self._counts: Counter[str] = Counter()

    def protocol(self, **options: Any) -> "LimitedProtocol":
        """Return the protocol of a new connection, with the ``options`` of uvicorn."""
        return LimitedProtocol(self, **options)

    def admit(self, connection: "LimitedProtocol", host: str) -> ErrorType | None:
        """Count a new connection. Return why it is refused; None: it is not."""
        address = _network(host)
        refusal = self._excess(address)
        if refusal is not None:
            self._forget_closed()  # WebSockets report their end to another protocol
            refusal = self._excess(address)
        if refusal is None:
            self._addresses[connection] = address
            self._counts[address] += 1
        return refusal

    def _excess(self, address: str) -> ErrorType | None:
        if self.limits.connection_count and len(self._addresses) >= self.limits.connection_count:
            return errors.SERVER_FULL
        if self.limits.address_count and address and self._counts[address] >= self.limits.address_count:
            return errors.TOO_MANY_CONNECTIONS
        return None

    def release(self, connection: "LimitedProtocol") -> None:
        address = self._addresses.pop(connection, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def _forget_closed(self) -> None:
        for connection in [one for one in self._addresses if one.transport.is_closing()]:
            if connection.upgraded:
                self.release(connection)

    @contextlib.asynccontextmanager
    async def running(self) -> "AsyncIterator[ConnectionGuard]":
        """Check the times of all connections while the block runs."""
        limits = self.limits
        interval = min(1.0, limits.head_seconds / 4, limits.body_idle_seconds / 4, limits.unread_seconds / 4)

        async def check() -> None:
            self._forget_closed()
            for connection in list(self._addresses):
                with failures_logged("connection.not_checked"):
                    connection.check_times(interval)

        task = asyncio.create_task(every(interval, "connections.not_checked", check, first_seconds=interval))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def _network(host: str) -> str:
    """Return the address that counts for ``host``; empty for Unix sockets."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


class LimitedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with the limits of :class:`HttpLimits`.

    Bytes outside of bodies are counted as they arrive, in pieces that are small enough to stop at the limit.

    Attributes:
        upgraded: whether a WebSocket protocol has taken over the connection.
    """

    def __init__(self, guard: ConnectionGuard, **options: Any) -> None:
        super().__init__(**options)
        self._guard = guard
        self._limits = guard.limits
        self.upgraded = False
        self._outside_bytes = 0  # since the last request, less what its body pays for
        self._body_bytes = 0  # of all requests
        self._body_start = 0  # where the current body began in them
        self._in_body = False
        self._begun = False  # whether a byte of a request line has arrived
        self._head_time = math.inf  # when the head began
        self._data_time = math.inf
        self._waited_seconds = 0.0  # for the current body
        self._write_time = math.inf  # when the client stopped reading
        self._answer_time = math.inf  # when the last response was complete
        self._close_time = math.inf  # when to end a connection whose client is not done yet
        self._refusal = errors.MALFORMED_REQUEST  # why the parser stopped

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_time = self.loop.time()
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family != socket.AF_UNIX and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            # Otherwise the kernel buffers megabytes, and a slow reader seems to stand still while it reads them.
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        refusal = self._guard.admit(self, self.client[0] if self.client else "")
        if refusal is not None:
            HTTP_REFUSED.labels(refusal.reason).inc()
            transport.write(_response(refusal))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._guard.release(self)

    def data_received(self, data: bytes) -> None:
        self._data_time = self.loop.time()
        if self._head_time == math.inf and not self._in_body:
            self._head_time = self._data_time
        rest = memoryview(data)
        while rest and not self._ended:
            room = (
                _BODY_PIECE_BYTES if self._in_body else min(_PIECE_BYTES, self._limits.head_bytes - self._outside_bytes)
            )
            if room <= 0:
                self._refuse(errors.HEADERS_TOO_LARGE)
                return
            piece, rest = rest[:room], rest[room:]
            body_bytes = self._body_bytes
            self._parse(piece)
            body_bytes = self._body_bytes - body_bytes
            outside = self._outside_bytes + len(piece) - (1 + _FRAMING_PER_BODY_BYTE) * body_bytes
            self._outside_bytes = max(0, outside)
            if self._outside_bytes > self._limits.head_bytes:
                self._refuse(errors.HEADERS_TOO_LARGE)

    def _parse(self, piece: bytes | memoryview) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            if self._should_upgrade():
                self.handle_websocket_upgrade()
                return
            # The parser stops behind the head, and would take the body for the next request. A server may ignore the offer
            # of another protocol (RFC 9110), as clients that prefer HTTP/2 make it with their first request.
            head = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
            head += [b"%b: %b" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._parse(b"\r\n".join([*head, b"", b""]) + bytes(piece[upgrade.args[0] :]))
        except httptools.HttpParserError:
            self._refuse(self._refusal)

    def _should_upgrade(self) -> bool:
        return super()._should_upgrade() and self.parser.get_method() == b"GET"

    @property
    def _has_body(self) -> bool:
        return any(name in (b"content-length", b"transfer-encoding") for name, _value in self.headers)

    @property
    def _is_foreign_upgrade(self) -> bool:
        return self.parser.should_upgrade() and not self._should_upgrade()

    @property
    def _ended(self) -> bool:
        return self.upgraded or self._close_time < math.inf or self.transport.is_closing()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= _PIPELINE_LIMIT:
            self._stop(errors.MALFORMED_REQUEST)
        super().on_message_begin()
        self._begun = True
        self._head_time = min(self._head_time, self._data_time)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self._limits.url_bytes:
            self._stop(errors.URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_body:
            return  # a trailer must not become a header of the request
        if len(self.headers) >= self._limits.header_count:
            self._stop(errors.HEADERS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_foreign_upgrade:
            return  # the head is parsed again, see :meth:`_parse`
        super().on_headers_complete()
        self._head_time = math.inf
        self._in_body = True
        self._body_start = self._body_bytes
        self._waited_seconds = 0.0

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._is_foreign_upgrade:
            return
        super().on_message_complete()
        self._in_body = self._begun = False
        self._outside_bytes = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._answer_time = self.loop.time()

    def handle_websocket_upgrade(self) -> None:
        super().handle_websocket_upgrade()
        protocol: Any = self.transport.get_protocol()
        if protocol.handshake_initiated:
            self.upgraded = True
            return
        # The WebSocket library has limits of its own, and says nothing.
        self.transport.set_protocol(self)
        self.connections.add(self)
        protocol.connections.discard(protocol)
        self._in_body = False
        self._refuse(errors.MALFORMED_REQUEST if self._has_body else errors.HEADERS_TOO_LARGE)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._write_time = self.loop.time()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._write_time = math.inf

    def check_times(self, interval: float) -> None:
        """Close the connection if it exceeds a time. Called every ``interval`` seconds."""
        now, limits = self.loop.time(), self._limits
        if self.upgraded:
            return
        if now > self._close_time or now > self._write_time + limits.unread_seconds:
            self.transport.abort()
        elif self.transport.is_closing():
            self._close_time = now + limits.unread_seconds
        elif self.flow.read_paused:  # the client waits for the server
            self._head_time = now if self._head_time < math.inf else math.inf
        elif now > self._head_time + limits.head_seconds:
            self._refuse(errors.REQUEST_TIMEOUT) if self._begun else self.transport.close()
        elif self._in_body:
            self._check_body(now, interval)

    def _check_body(self, now: float, interval: float) -> None:
        if self.cycle.waiting_for_100_continue:
            self._data_time = now
            return
        if self.cycle.response_complete:  # the rest of the body is dropped, so that the client comes to the response
            if now > self._answer_time + self._limits.keep_alive_seconds:
                self.transport.close()
            return
        self._waited_seconds += interval
        expected_seconds = (
            self._limits.body_idle_seconds + (self._body_bytes - self._body_start) / _SLOWEST_BYTES_PER_SECOND
        )
        if now > self._data_time + self._limits.body_idle_seconds or self._waited_seconds > expected_seconds:
            self._refuse(errors.REQUEST_TIMEOUT)

    def _stop(self, refusal: ErrorType) -> None:
        """Stop the parser."""
        self._refusal = refusal
        raise ValueError(refusal.reason)

    def _refuse(self, refusal: ErrorType) -> None:
        """Answer the current request, and drop what the client still sends for a moment, so that it reads the response.

        Close the connection at once if the response would be read as the response to another request.
        """
        if self._ended:
            return
        HTTP_REFUSED.labels(refusal.reason).inc()
        self._unset_keepalive_if_required()
        running = self.cycle is not None and not self.cycle.response_complete
        own = running and self._in_body and not self.pipeline and not self.cycle.response_started
        if running:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if running != own or (self._in_body and not running):
            self.transport.close()
            return
        self._close_time = self.loop.time() + _LINGER_SECONDS
        self.flow.resume_reading()
        self.transport.write(_response(refusal))
        self.transport.write_eof()

"""Limits of connections, attacked over raw sockets in front of a small application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from raw_http import Raw

from soundwright.kit.http_limits import ConnectionGuard, HttpLimits, LimitedProtocol
from soundwright.kit.http_server import serve_http
from soundwright_client.local import free_ports
from tests.http_attacks import CHUNKED, GET, HUGE, IDLE, MIB, POST, SLOW
from tests.waiting import until

# The gateway runs on uvloop, and the operations servers of most components on asyncio's event loop.
pytestmark = pytest.mark.asyncio(loop_scope="module", loop_factories=["asyncio", "uvloop"])
LAST_GET = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


class App:
    """Answers with the number of bytes of the body. ``/headers``: its headers afterwards; ``/endless``: without end;
    ``/unread``: without reading the body."""

    def __init__(self) -> None:
        self.sending = 0
        self.bodies: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await receive()
            return
        if scope["path"] == "/endless":
            await self._send_endlessly(receive, send)
            return
        size, more = 0, scope["path"] != "/unread"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.bodies.append(-1)
                return
            size += len(message["body"])
            more = message["more_body"]
        self.bodies.append(size)
        text = str(sorted(scope["headers"]) if scope["path"] == "/headers" else size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
        await send({"type": "http.response.body", "body": text})

    async def _send_endlessly(self, receive: Any, send: Any) -> None:
        await receive()
        gone = asyncio.create_task(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        self.sending += 1
        while not gone.done():
            await send({"type": "http.response.body", "body": bytes(1 << 16), "more_body": True})
        self.sending -= 1


@contextlib.asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[int, App]]:
    app = App()
    (port,) = free_ports(1)
    async with (
        ConnectionGuard(HttpLimits(**limits)).running() as guard,
        serve_http(app, f"127.0.0.1:{port}", guard, ws="websockets-sansio"),
    ):
        yield port, app


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Raw]:
    raw = await Raw.open(port)
    try:
        yield raw
    finally:
        raw.close()


async def answer(port: int, data: bytes) -> bytes:
    async with connected(port) as raw:
        await raw.send(data)
        return await raw.receive()


def headers(size: int) -> bytes:
    """A request whose head has ``size`` bytes, in headers of 8 KB."""
    head = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    while size - len(head) > 10_000:
        head += b"x: " + b"y" * 8000 + b"\r\n"
    return head + b"x: " + b"y" * (size - len(head) - 7) + b"\r\n\r\n"


async def test_no_part_of_a_request_outside_of_its_body_is_unlimited() -> None:
    async with serving() as (port, _app), connected(port) as health:
        for name, (request, status) in HUGE.items():
            async with connected(port) as raw:
                sending = asyncio.create_task(raw.send(request()))
                await health.send(GET)
                assert await health.response() == (200, b"0"), name
                assert (await raw.status(), name) == (status, name)
                sending.cancel()


async def test_a_request_at_the_limits_is_served() -> None:
    async with serving() as (port, _app):
        assert (await answer(port, headers(65_536))).startswith(b"HTTP/1.1 200")
        assert (await answer(port, headers(65_537))).startswith(b"HTTP/1.1 431")
        for count, status in ((100, b"200"), (101, b"431")):
            request = b"GET / HTTP/1.1\r\nConnection: close\r\n" + b"a: b\r\n" * (count - 1) + b"\r\n"
            assert (await answer(port, request)).startswith(b"HTTP/1.1 " + status)
        for size, status in ((8192, b"200"), (8193, b"414")):
            request = b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nConnection: close\r\n\r\n"
            assert (await answer(port, request)).startswith(b"HTTP/1.1 " + status)


async def test_a_refusal_suits_the_clients_of_all_dialects() -> None:
    async with serving() as (port, _app):
        head, _, body = (await answer(port, b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n")).partition(b"\r\n\r\n")
    sentence = b'"The URL is too long. Send long parameters in the body."'
    assert body == b'{"error": %b, "code": "URL_TOO_LONG", "message": %b, "detail": %b}' % (
        sentence,
        sentence,
        sentence,
    )
    assert b"\r\nConnection: close" in head


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xb2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\x00\n\n",
    ],
)
async def test_a_malformed_request_is_refused(request_: bytes) -> None:
    async with serving() as (port, app):
        received = await answer(port, request_)
        assert received.startswith(b"HTTP/1.1 400"), received
        assert b"MALFORMED_REQUEST" in received
        assert app.bodies in ([], [-1])


async def test_trailers_do_not_become_headers() -> None:
    request = b"POST /headers HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving() as (port, _app):
        received = await answer(port, request + b"5\r\nhello\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
    assert b"200" in received
    assert b"authorization" not in received


@pytest.mark.parametrize("chunk_bytes", [1, 100, 70_000])
async def test_a_body_of_any_chunks_is_received(chunk_bytes: int) -> None:
    count = 3 * MIB // chunk_bytes if chunk_bytes > 1 else 200_000
    chunk = b"%x\r\n" % chunk_bytes + bytes(chunk_bytes) + b"\r\n"
    async with serving() as (port, app), connected(port) as raw:
        await raw.send(CHUNKED + chunk * count + b"0\r\n\r\n")
        assert await raw.response() == (200, b"%d" % (count * chunk_bytes))
        await raw.send(GET)
        assert await raw.response() == (200, b"0")
    assert app.bodies == [count * chunk_bytes, 0]


# ------------------------------------------------------------------------------------------------------------- pipelining


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with serving() as (port, _app), connected(port) as raw:
        requests = [POST + b"Content-Length: %d\r\n\r\n" % size + bytes(size) for size in range(10)]
        await raw.send(b"".join(requests))
        assert [await raw.response() for _ in requests] == [(200, b"%d" % size) for size in range(10)]


async def test_a_flood_of_pipelined_requests_ends_the_connection() -> None:
    async with serving() as (port, app):
        received = await answer(port, GET * 10_000)
        assert b"400 Bad" not in received  # it would look like the response to one of the requests
        assert len(app.bodies) < 100
        assert b"200" in await answer(port, LAST_GET)


# ------------------------------------------------------------------------------------------------------------------- time


async def drip(raw: Raw, data: bytes) -> None:
    """Send byte after byte until the connection ends."""
    for byte in data:
        await raw.send(bytes([byte]))
        await asyncio.sleep(0.02)


async def test_a_request_that_does_not_arrive_in_time_is_refused() -> None:
    async def attack(name: str, start: bytes, more: bytes) -> None:
        async with connected(port) as raw:
            await raw.send(start)
            dripping = asyncio.create_task(drip(raw, more))
            assert (name, b"408 Request Timeout" in await raw.receive()) == (name, True)
            dripping.cancel()

    async with serving(head_seconds=0.4, body_idle_seconds=0.4) as (port, app):
        attacks = [attack(name, *pieces) for name, pieces in SLOW.items()]
        await asyncio.gather(*attacks)
        assert set(app.bodies) == {0, -1}  # the application is told that the client is gone


async def test_a_connection_that_cannot_be_checked_leaves_the_others_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    check, broken = LimitedProtocol.check_times, list[LimitedProtocol]()

    def fail_for_the_first(connection: LimitedProtocol, seconds: float) -> None:
        broken[:] = broken or [connection]
        if connection is broken[0]:
            raise RuntimeError("simulated")
        check(connection, seconds)

    monkeypatch.setattr(LimitedProtocol, "check_times", fail_for_the_first)
    async with serving(head_seconds=0.4) as (port, _app), connected(port):
        await until(lambda: bool(broken))
        async with connected(port) as other, asyncio.timeout(20):
            await other.send(b"GET / HTTP/1.1\r\n")
            assert b"408 Request Timeout" in await other.receive()


async def test_an_idle_connection_is_closed() -> None:
    async def attack(name: str, start: bytes, more: bytes) -> None:
        async with connected(port) as raw:
            await raw.send(start)
            dripping = asyncio.create_task(drip(raw, more))
            received = await raw.receive()
            # Bytes that the server has not read reset the connection, which can overtake the response.
            answer_counts = (0, 1) if start and more else (1 if start else 0,)
            assert received.count(b"HTTP/1.1") in answer_counts, name
            assert b"408" not in received, name
            dripping.cancel()

    async with serving(head_seconds=0.4, body_idle_seconds=0.4, keep_alive_seconds=1) as (port, _app):
        attacks = [attack(name, *pieces) for name, pieces in IDLE.items()]
        await asyncio.gather(*attacks)


async def test_a_client_that_waits_for_permission_is_not_idle() -> None:
    """The application decides when to read. Until then, the client has nothing to do."""
    permitted = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await permitted.wait()
        message = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": message["body"] or (await receive())["body"]})

    (port,) = free_ports(1)
    async with (
        ConnectionGuard(HttpLimits(body_idle_seconds=0.2)).running() as guard,
        serve_http(app, f"127.0.0.1:{port}", guard, ws="none"),
        connected(port) as raw,
    ):
        await raw.send(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        await asyncio.sleep(1.0)  # several times the limit
        permitted.set()
        assert await raw.status() == 100
        await raw.line()
        await raw.send(b"hello")
        assert await raw.response() == (200, b"hello")


# --------------------------------------------------------------------------------------------------------------- responses


async def test_a_response_that_nobody_reads_ends() -> None:
    async with serving(unread_seconds=0.5) as (port, app), connected(port) as raw:
        raw.pause()
        await raw.send(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: app.sending == 1)
        await until(lambda: app.sending == 0)


async def test_a_slow_reader_gets_the_whole_response() -> None:
    async with serving(unread_seconds=1.0) as (port, app):
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", port))
            await loop.sock_sendall(client, b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            started = loop.time()
            while loop.time() < started + 3.0:
                assert await loop.sock_recv(client, 1 << 15)
                await asyncio.sleep(0.1)
            assert app.sending == 1
        await until(lambda: app.sending == 0)


# ------------------------------------------------------------------------------------------------------- number of connections


async def test_connections_of_an_address_are_limited() -> None:
    async with serving(address_count=3) as (port, _app):
        open_ones = [await Raw.open(port) for _ in range(3)]
        for raw in open_ones:
            await raw.send(GET)
            assert await raw.response() == (200, b"0")
        assert b"429 Too Many Requests" in await answer(port, b"")
        open_ones.pop().close()
        await served_again(port)
        for raw in open_ones:
            raw.close()


async def test_connections_of_all_addresses_are_limited() -> None:
    async with serving(connection_count=2) as (port, _app), connected(port) as first, connected(port) as second:
        for raw in (first, second):
            await raw.send(GET)
            assert await raw.response() == (200, b"0")
        received = await answer(port, b"")
        assert b"503 Service Unavailable" in received
        assert b"Retry-After: 30" in received
        second.close()
        await served_again(port)


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@pytest.mark.parametrize(
    ("rest", "status", "reason"),
    [
        (b"Cookie: " + b"a" * 9_000 + b"\r\n\r\n", 431, b"HEADERS_TOO_LARGE"),
        (b"Content-Length: 5\r\n\r\nhello", 400, b"MALFORMED_REQUEST"),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, b"MALFORMED_REQUEST"),
    ],
)
async def test_a_handshake_that_the_websocket_library_cannot_read_is_refused(
    rest: bytes, status: int, reason: bytes
) -> None:
    async with serving(connection_count=1) as (port, app):
        received = await answer(port, HANDSHAKE + rest)
        assert received.startswith(b"HTTP/1.1 %d" % status), received
        assert reason in received
        assert app.bodies == []
        await served_again(port)


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"GET"])
@pytest.mark.parametrize("protocol", [b"h2c", b"websocket", b"foo/2, bar"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 40\r\n\r\n%b", b"Transfer-Encoding: chunked\r\n\r\n28\r\n%b\r\n0\r\n\r\n"]
)
async def test_the_offer_of_another_protocol_changes_nothing(method: bytes, protocol: bytes, framing: bytes) -> None:
    if (method, protocol) == (b"GET", b"websocket"):
        return
    smuggled = b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n".ljust(40)
    head, _, body = (framing % smuggled).partition(b"\r\n\r\n")
    offer = (
        method + b" / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: " + protocol + b"\r\n" + head
    )
    padding = b"\r\nX: ".ljust(4096 - len(offer) - 4, b"x")  # the body is in the next piece that is parsed
    async with serving() as (port, app), connected(port) as raw:
        for padded in (b"", padding):
            await raw.send(offer + padded + b"\r\n\r\n" + body)
            assert await raw.response() == (200, b"40")
        await raw.send(GET)
        assert await raw.response() == (200, b"0")
    assert app.bodies == [40, 40, 0]


async def test_a_websocket_counts_until_it_ends() -> None:
    async with serving(connection_count=1, head_seconds=0.4) as (port, _app):
        async with connected(port) as raw:
            await raw.send(HANDSHAKE + b"\r\n")
            assert await raw.status() == 101
            await asyncio.sleep(1.0)  # longer than a head may take
            assert b"503 Service Unavailable" in await answer(port, b"")
        await served_again(port)


async def served_again(port: int) -> None:
    async def is_served() -> bool:
        return b"200 OK" in await answer(port, LAST_GET)

    await until(is_served)


async def test_addresses_that_one_customer_has_count_as_one() -> None:
    class Connection:
        upgraded = False
        transport: Any = socket

    guard = ConnectionGuard(HttpLimits(address_count=1))
    for host, refused in (
        ("203.0.113.7", False),
        ("::ffff:203.0.113.7", True),
        ("203.0.113.8", False),
        ("2001:db8:1:2::1", False),
        ("2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:3::1", False),
        ("fe80::1%eth0", False),
        ("", False),
        ("", False),
    ):
        connection: Any = Connection()
        connection.transport = type("Transport", (), {"is_closing": lambda self: False})()
        assert (guard.admit(connection, host) is not None) == refused, host

"""Attacks on HTTP itself: requests that are too large, that never arrive, and connections that do nothing."""

from collections.abc import Callable

MIB = 1 << 20
GET = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

HUGE: dict[str, tuple[Callable[[], bytes], int]] = {
    "header": (lambda: b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 20 * MIB, 431),
    "header name": (lambda: b"GET / HTTP/1.1\r\nHost: a\r\n" + b"y" * 20 * MIB, 431),
    "spaces before a value": (lambda: b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" " * 20 * MIB, 431),
    "number of headers": (lambda: b"GET / HTTP/1.1\r\n" + b"a:\r\n" * MIB, 431),
    "folded header": (lambda: b"GET / HTTP/1.1\r\nHost: a\r\nX: a" + b"\r\n b" * MIB, 400),
    "URL": (lambda: b"GET /" + b"y" * 20 * MIB, 414),
    "query": (lambda: b"GET /?" + b"&" * 20 * MIB, 414),
    "method": (lambda: b"A" * 20 * MIB, 400),
    "spaces in the request line": (lambda: b"GET " + b" " * 20 * MIB, 431),
    "empty lines": (lambda: b"\r\n" * 10 * MIB, 431),
    "chunk extension": (lambda: CHUNKED + b"5;" + b"a" * 20 * MIB, 431),
    "chunk extensions": (lambda: CHUNKED + (b"1;" + b"a" * 1000 + b"\r\nx\r\n") * 20_000, 431),
    "chunk size": (lambda: CHUNKED + b"0" * 20 * MIB, 431),
    "trailer": (lambda: CHUNKED + b"0\r\nX: " + b"a" * 20 * MIB, 431),
    "trailers": (lambda: CHUNKED + b"5\r\nhello\r\n0\r\n" + b"X: a\r\n" * 4 * MIB, 431),
    "trailers after a long body": (
        lambda: CHUNKED + b"100000\r\n" + bytes(MIB) + b"\r\n0\r\nX: " + b"a" * 20 * MIB,
        431,
    ),
}
"""Functions that return requests of which one part is huge, and the statuses of the refusals."""

SLOW: dict[str, tuple[bytes, bytes]] = {
    "head that stops": (b"GET / HTTP/1.1\r\nHo", b""),
    "head that drips": (b"GET / HTTP/1.1\r\n", b"x: y\r\n" * 10_000),
    "body that stops": (POST + b"Content-Length: 10\r\n\r\nhello", b""),
    "body that drips": (POST + b"Content-Length: 100000\r\n\r\nhello", b"x" * 100_000),
    "chunk that stops": (CHUNKED + b"a\r\nhello", b""),
    "chunk size that drips": (CHUNKED, b"0" * 100_000),
    "chunk extension that drips": (CHUNKED + b"5;", b"a" * 100_000),
    "trailer that stops": (CHUNKED + b"5\r\nhello\r\n0\r\nX: ", b""),
    "second request that stops": (GET + b"GET / HTTP", b""),
}
"""The beginning of a request, and bytes that follow one by one."""

IDLE: dict[str, tuple[bytes, bytes]] = {
    "connection without a request": (b"", b""),
    "empty lines that drip": (b"", b"\r\n" * 10_000),
    "connection after a response": (GET, b""),
    "empty lines after a response": (GET, b"\r\n" * 10_000),
    "rest of a body that nobody reads": (
        b"POST /unread HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
        b"x" * 10_000,
    ),
}
"""Connections without a request that is under way: what they send, and bytes that follow one by one."""

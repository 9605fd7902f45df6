"""Small things on the web, read and posted through the guard: where a short link leads, a cover, a message."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from kit.outbound.guard import Guard, refused

__all__ = ["UnusableAnswer", "post_web", "read_web", "save_web"]

_HOP_LIMIT = 5
_BODY_SECONDS = 2.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_IDLE_SECONDS = 60.0
_PIECE_BYTES = 1 << 20


class UnusableAnswer(ConnectionError):
    """``status`` is the answer's; 200 for one that is too large, 0 for redirects without end."""

    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


async def read_web(
    guard: Guard, url: str, *, limit_bytes: int, seconds: float, stop: Callable[[str], bool] = lambda url: False
) -> tuple[str, bytes]:
    """Read what lies at ``url``, over at most five redirects.

    Args:
        guard: connects.
        url: where to begin.
        limit_bytes: the largest body that is taken.
        seconds: deadline.
        stop: asked about each redirect's target; where it agrees, that target is the answer, and is not read.

    Returns:
        The last address, and the body there.

    Raises:
        AppError: ``ADDRESS_REFUSED``.
        OSError: no answer, not in time, a status other than 200, or too large a body.
    """
    async with _connections(guard, seconds) as pool, _followed(pool, url, stop) as (last, response):
        body = bytearray()
        if response is not None:
            async for piece in response.aiter_stream():
                body += piece
                if len(body) > limit_bytes:
                    raise UnusableAnswer(response.status, "too large")
        return last, bytes(body)


async def save_web(guard: Guard, url: str, path: Path, *, limit_bytes: int, seconds: float) -> int:
    """Write what lies at ``url``, over at most five redirects, into the file ``path``, as it comes.

    Args:
        guard: connects.
        limit_bytes: the largest body that is taken.
        seconds: deadline; nothing for 60 s is too long, too.

    Returns:
        Its size in bytes.

    Raises:
        AppError: ``ADDRESS_REFUSED``.
        UnusableAnswer: a status other than 200, or too large a body.
        OSError: no answer, not in time, or broken off; the disk refuses.
    """
    async with _connections(guard, seconds) as pool, _followed(pool, url) as (_, response):
        assert response is not None  # nothing stops it on its way
        size_bytes, waiting = 0, bytearray()
        with path.open("wb") as file:
            async for piece in response.aiter_stream():
                size_bytes += len(piece)
                if size_bytes > limit_bytes:
                    raise UnusableAnswer(response.status, "too large")
                waiting += piece
                if len(waiting) >= _PIECE_BYTES:
                    await asyncio.to_thread(file.write, waiting)
                    waiting = bytearray()
            await asyncio.to_thread(file.write, waiting)
        return size_bytes


async def post_web(
    guard: Guard, url: str, *, headers: Mapping[str, str], body: bytes, limit_bytes: int, seconds: float
) -> tuple[int, bytes]:
    """Post ``body`` to ``url``. Redirects are answers like any other.

    Args:
        guard: connects.
        limit_bytes: how much of the answer's body is read, and no more; what does not come within 2 s is left out.
        seconds: deadline of the answer.

    Returns:
        Status, and the beginning of the answer's body.

    Raises:
        AppError: ``ADDRESS_REFUSED``.
        OSError: no answer, or not in time.
    """
    _require_web(url)
    sent = [("User-Agent", "Soundwright"), ("Accept", "*/*"), ("Accept-Encoding", "identity"), *headers.items()]
    async with (
        _connections(guard, seconds) as pool,
        pool.stream("POST", url, headers=sent, content=body) as response,
    ):
        beginning = bytearray()
        # The status is the answer; whoever says more than is wanted, or breaks off, has given it all the same.
        with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, TimeoutError):
            async with asyncio.timeout(min(_BODY_SECONDS, seconds)):
                async for piece in response.aiter_stream():
                    beginning += piece
                    if len(beginning) >= limit_bytes:
                        break
        return response.status, bytes(beginning[:limit_bytes])


@contextlib.asynccontextmanager
async def _followed(
    pool: httpcore.AsyncConnectionPool, url: str, stop: Callable[[str], bool] = lambda url: False
) -> AsyncIterator[tuple[str, httpcore.Response | None]]:
    """Where the redirects from ``url`` lead, and the answer there; none where ``stop`` agrees with the target."""
    headers = [("User-Agent", "Soundwright"), ("Accept", "*/*")]
    waits = {"timeout": {"read": _IDLE_SECONDS}}
    for _ in range(_HOP_LIMIT):
        _require_web(url)
        async with pool.stream("GET", url, headers=headers, extensions=waits) as response:
            location = next((v.decode("latin-1") for k, v in response.headers if k.lower() == b"location"), "")
            if response.status in _REDIRECTS and location:
                url = urljoin(url, location)
                if stop(url):
                    yield url, None
                    return
                continue
            if response.status != 200:
                raise UnusableAnswer(response.status, f"status {response.status}")
            yield url, response
            return
    raise UnusableAnswer(0, "too many redirects")


def _require_web(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise refused()


@contextlib.asynccontextmanager
async def _connections(guard: Guard, seconds: float) -> AsyncIterator[httpcore.AsyncConnectionPool]:
    """New connections through the guard, for ``seconds`` at most; what goes wrong is an OSError."""
    try:
        async with (
            asyncio.timeout(seconds),
            httpcore.AsyncConnectionPool(ssl_context=_trust(), network_backend=_GuardedBackend(guard)) as pool,
        ):
            yield pool
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ValueError) as error:
        what = "certificate" if "CERTIFICATE_VERIFY_FAILED" in str(error) else type(error).__name__
        raise ConnectionError(what) from error


@functools.cache
def _trust() -> Any:
    return httpx.create_ssl_context(trust_env=False)


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Connections of an HTTP client, made by the guard."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError()
        for address in await self._guard.addresses(host, port):
            try:
                stream = await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
                continue
            own, peer = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
            if own is None or peer is None:  # it broke in the moment that it was made
                await stream.aclose()
                continue
            if self._guard.leads_back(host, port, own, peer):
                await stream.aclose()
                raise refused()
            return stream
        raise failure

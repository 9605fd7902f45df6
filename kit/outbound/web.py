"""Small things from the web, read through the guard: where a short link leads, a cover."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from kit.outbound.guard import Guard, refused

__all__ = ["read_web"]

_HOP_LIMIT = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


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
    backend = _GuardedBackend(guard)
    try:
        async with (
            asyncio.timeout(seconds),
            httpcore.AsyncConnectionPool(ssl_context=_trust(), network_backend=backend) as pool,
        ):
            for _ in range(_HOP_LIMIT):
                parts = urlsplit(url)
                if parts.scheme not in ("http", "https") or parts.username is not None:
                    raise refused()
                async with pool.stream("GET", url, headers={"User-Agent": "Soundwright", "Accept": "*/*"}) as response:
                    location = next((v.decode("latin-1") for k, v in response.headers if k.lower() == b"location"), "")
                    if response.status in _REDIRECTS and location:
                        url = urljoin(url, location)
                        if stop(url):
                            return url, b""
                        continue
                    if response.status != 200:
                        raise ConnectionError(f"status {response.status}")
                    body = bytearray()
                    async for piece in response.aiter_stream():
                        body += piece
                        if len(body) > limit_bytes:
                            raise ConnectionError("too large")
                    return url, bytes(body)
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ValueError) as error:
        raise ConnectionError(type(error).__name__) from error
    raise ConnectionError("too many redirects")


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
            if self._guard.leads_back(host, port, own, peer):
                await stream.aclose()
                raise refused()
            return stream
        raise failure

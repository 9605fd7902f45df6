"""HTTP requests to servers on the internet. All connections obey the egress policy."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpcore
import httpx

from soundwright.kit import errors
from soundwright.kit.free_space import FreeSpace
from soundwright.kit.security.egress_policy import EgressPolicy

_REDIRECT_LIMIT = 5
_BODY_SECONDS = 2.0
_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_IDLE_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20


class UnusableResponse(ConnectionError):
    """The response cannot be used. ``status`` is its HTTP status; 200 if it is too large, 0 for too many redirects."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UntrustedCertificate(ConnectionError):
    """The TLS certificate of the server is not trusted."""


async def read_web(
    egress_policy: EgressPolicy,
    url: str,
    *,
    limit_bytes: int,
    seconds: float,
    stop: Callable[[str], bool] = lambda url: False,
) -> tuple[str, bytes]:
    """Download a small resource into memory. Follow at most five redirects.

    Args:
        stop: called with the target of each redirect. If it returns True, the target is returned without a request.

    Returns the final URL and the body.

    Raises:
        AppError: ``ADDRESS_REFUSED``.
        OSError: the connection failed, the deadline passed, the status is not 200, or the body is too large.
    """
    async with _connections(egress_policy, seconds) as pool, _follow(pool, url, stop) as (last, response):
        body = bytearray()
        if response is not None:
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise UnusableResponse(response.status, "the body is too large")
        return last, bytes(body)


async def save_web(egress_policy: EgressPolicy, url: str, path: Path, *, limit_bytes: int, seconds: float) -> int:
    """Stream a resource into a file. Follow at most five redirects.

    Args:
        seconds: the deadline. A pause of 60 seconds without data also ends the download.

    Returns the size in bytes.

    Raises:
        AppError: ``ADDRESS_REFUSED``; ``STORAGE_FULL``.
        UnusableResponse: the status is not 200, or the body is too large.
        OSError: the connection failed, the deadline passed, or the file could not be written.
    """
    async with _connections(egress_policy, seconds) as pool, _follow(pool, url) as (_, response):
        assert response is not None  # there is no ``stop``
        size_bytes, buffer, space = 0, bytearray(), FreeSpace(path.parent)
        with path.open("wb") as file:
            async for chunk in response.aiter_stream():
                size_bytes += len(chunk)
                if size_bytes > limit_bytes:
                    raise UnusableResponse(response.status, "the body is too large")
                buffer += chunk
                if len(buffer) >= _CHUNK_BYTES:
                    space.use(len(buffer))
                    await asyncio.to_thread(file.write, buffer)
                    buffer = bytearray()
            await asyncio.to_thread(file.write, buffer)
        return size_bytes


async def post_web(
    egress_policy: EgressPolicy, url: str, *, headers: Mapping[str, str], body: bytes, limit_bytes: int, seconds: float
) -> tuple[int, bytes]:
    """Send a POST request. Do not follow redirects.

    Args:
        limit_bytes: the number of bytes of the response body to read. The rest, and what takes more than 2 seconds, is
            ignored.

    Returns the status, and the beginning of the response body.

    Raises:
        AppError: ``ADDRESS_REFUSED``.
        UntrustedCertificate: the TLS certificate of the server is not trusted.
        OSError: the connection failed, or the deadline passed.
    """
    _require_web_url(url)
    all_headers = [("User-Agent", "Soundwright"), ("Accept", "*/*"), ("Accept-Encoding", "identity"), *headers.items()]
    async with (
        _connections(egress_policy, seconds) as pool,
        pool.stream("POST", url, headers=all_headers, content=body) as response,
    ):
        beginning = bytearray()
        # The status counts. An incomplete or endless body does not make the request fail.
        with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError, TimeoutError):
            async with asyncio.timeout(min(_BODY_SECONDS, seconds)):
                async for chunk in response.aiter_stream():
                    beginning += chunk
                    if len(beginning) >= limit_bytes:
                        break
        return response.status, bytes(beginning[:limit_bytes])


@contextlib.asynccontextmanager
async def _follow(
    pool: httpcore.AsyncConnectionPool, url: str, stop: Callable[[str], bool] = lambda url: False
) -> AsyncIterator[tuple[str, httpcore.Response | None]]:
    """Follow redirects. Yield the final URL and its response, or None as response if ``stop`` accepted the URL."""
    headers = [("User-Agent", "Soundwright"), ("Accept", "*/*")]
    extensions = {"timeout": {"read": _IDLE_SECONDS}}
    for _ in range(_REDIRECT_LIMIT):
        _require_web_url(url)
        async with pool.stream("GET", url, headers=headers, extensions=extensions) as response:
            location = next((v.decode("latin-1") for k, v in response.headers if k.lower() == b"location"), "")
            if response.status in _REDIRECT_STATUSES and location:
                url = urljoin(url, location)
                if stop(url):
                    yield url, None
                    return
                continue
            if response.status != 200:
                raise UnusableResponse(response.status, f"the status is {response.status}")
            yield url, response
            return
    raise UnusableResponse(0, "too many redirects")


def _require_web_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.username is not None:
        raise errors.ADDRESS_REFUSED()


@contextlib.asynccontextmanager
async def _connections(egress_policy: EgressPolicy, seconds: float) -> AsyncIterator[httpcore.AsyncConnectionPool]:
    """Yield a connection pool that obeys the policy, with a deadline. Failures are raised as OSError."""
    try:
        async with (
            asyncio.timeout(seconds),
            httpcore.AsyncConnectionPool(
                ssl_context=_ssl_context(), network_backend=_EgressBackend(egress_policy)
            ) as pool,
        ):
            yield pool
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ValueError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise UntrustedCertificate("the certificate is not trusted") from error
        raise ConnectionError(type(error).__name__) from error


@functools.cache
def _ssl_context() -> Any:
    return httpx.create_ssl_context(trust_env=False)


ADDRESS_SECONDS = 2.0
"""How long an address of a host with several may take to accept a connection."""


class _EgressBackend(httpcore.AsyncNetworkBackend):
    """Opens the connections of an HTTP client according to the egress policy."""

    def __init__(self, egress_policy: EgressPolicy) -> None:
        self._egress_policy = egress_policy
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError()
        addresses = await self._egress_policy.addresses(host, port)
        for address in addresses:
            # An address may swallow packets, as a broken IPv6 does. Leave time for the others.
            limit = timeout if address == addresses[-1] else min(timeout or ADDRESS_SECONDS, ADDRESS_SECONDS)
            try:
                stream = await self._backend.connect_tcp(address, port, limit, local_address, socket_options)
            except (httpcore.NetworkError, httpcore.TimeoutException) as error:
                failure = error
                continue
            local, remote = stream.get_extra_info("client_addr"), stream.get_extra_info("server_addr")
            if local is None or remote is None:  # the connection broke at once
                await stream.aclose()
                continue
            if self._egress_policy.connects_to_self(host, port, local, remote):
                await stream.aclose()
                raise errors.ADDRESS_REFUSED()
            return stream
        raise failure

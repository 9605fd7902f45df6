"""The network access of a download process: a SOCKS5 proxy (RFC 1928, RFC 1929) on the loopback address for one job.

SOCKS has advantages over HTTP here: one protocol covers plain, encrypted and WebSocket connections, names arrive
unresolved, and there are no headers to parse.
"""

import asyncio
import contextlib
import hmac
import secrets
import socket
import struct
from types import TracebackType

from soundwright.kit.errors import AppError
from soundwright.kit.log import get_logger
from soundwright.kit.security.egress_policy import EgressPolicy

_CONNECTION_LIMIT = 32
_HANDSHAKE_SECONDS = 10.0
_CLOSE_SECONDS = 10.0  # a client may be slow to read the end of a recording
_PIECE_BYTES = 1 << 16
_VERSION, _AUTH_VERSION, _PASSWORD, _NO_METHOD, _CONNECT = 5, 1, 2, 0xFF, 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_DONE, _NOT_ALLOWED, _UNREACHABLE, _UNSUPPORTED = 0, 2, 4, 7
_USER = "fetch"
log = get_logger()


class FetchProxy:
    """A proxy for one download. Use it as an async context manager.

    Args:
        egress_policy: checks addresses and opens connections.
        limit_bytes: maximum number of bytes received over all connections. Above it, all connections are closed.
        idle_seconds: a connection that transfers no data for this time is closed.

    Attributes:
        url: address of the proxy for the download process. It contains the password, so never log it.
        refusal: the error of the first connection that was refused, if any.
    """

    def __init__(self, egress_policy: EgressPolicy, limit_bytes: int, idle_seconds: float) -> None:
        self._guard = egress_policy
        self._limit_bytes = limit_bytes
        self._idle_seconds = idle_seconds
        self._token = secrets.token_urlsafe(32)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.url = ""
        self.refusal: AppError | None = None
        self.received_bytes = 0
        self.exceeded = False

    async def __aenter__(self) -> "FetchProxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"socks5h://{_USER}:{self._token}@127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self._stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) <= _CONNECTION_LIMIT and not self.exceeded:
                await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # one end closed the connection, or the proxy stops
        finally:
            self._tasks.discard(task)
            await _close(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            if not await self._admits(reader, writer):
                return
            target = await _read_target(reader)
        if target is None:
            await _reply(writer, _UNSUPPORTED)
            return
        host, port = target
        try:
            outer_reader, outer_writer = await self._guard.connect(host, port)
        except AppError as refusal:
            log.warning("fetch.refused", host=host[:255], port=port)
            self.refusal = self.refusal or refusal
            await _reply(writer, _NOT_ALLOWED)
            return
        except OSError:
            await _reply(writer, _UNREACHABLE)
            return
        try:
            await _reply(writer, _DONE)
            await self._relay(reader, writer, outer_reader, outer_writer)
        finally:
            await _close(outer_writer)

    async def _admits(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Return whether the client sends the correct password (RFC 1929)."""
        version, method_count = await reader.readexactly(2)
        methods = await reader.readexactly(method_count)
        if version != _VERSION or _PASSWORD not in methods:
            writer.write(bytes((_VERSION, _NO_METHOD)))
            await writer.drain()
            return False
        writer.write(bytes((_VERSION, _PASSWORD)))
        await reader.readexactly(1)
        user = await reader.readexactly((await reader.readexactly(1))[0])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        known = user == _USER.encode() and hmac.compare_digest(password, self._token.encode())
        writer.write(bytes((_AUTH_VERSION, 0 if known else 1)))
        await writer.drain()
        return known

    async def _relay(
        self,
        inner_reader: asyncio.StreamReader,
        inner_writer: asyncio.StreamWriter,
        outer_reader: asyncio.StreamReader,
        outer_writer: asyncio.StreamWriter,
    ) -> None:
        """Relay bytes in both directions until one end closes, the connection is idle, or the limit is exceeded."""
        loop = asyncio.get_running_loop()
        moved_at = loop.time()

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, incoming: bool) -> None:
            nonlocal moved_at
            while piece := await source.read(_PIECE_BYTES):
                moved_at = loop.time()
                if incoming:
                    self.received_bytes += len(piece)
                    if self.received_bytes > self._limit_bytes:
                        self.exceeded = True
                        self._stop()
                        return
                target.write(piece)
                await target.drain()

        pumps = [
            asyncio.create_task(pump(inner_reader, outer_writer, incoming=False)),
            asyncio.create_task(pump(outer_reader, inner_writer, incoming=True)),
        ]
        try:
            while True:
                rest_seconds = moved_at + self._idle_seconds - loop.time()
                if rest_seconds <= 0:
                    return
                done, _ = await asyncio.wait(pumps, timeout=rest_seconds, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    return
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _read_target(reader: asyncio.StreamReader) -> tuple[str, int] | None:
    """Return host and port of a CONNECT request, or None for another kind of request."""
    version, command, _, kind = await reader.readexactly(4)
    if kind == _IPV4:
        host = socket.inet_ntop(socket.AF_INET, await reader.readexactly(4))
    elif kind == _IPV6:
        host = socket.inet_ntop(socket.AF_INET6, await reader.readexactly(16))
    elif kind == _NAME:
        host = (await reader.readexactly((await reader.readexactly(1))[0])).decode("ascii", "replace")
    else:
        return None
    (port,) = struct.unpack("!H", await reader.readexactly(2))
    return (host, port) if (version, command) == (_VERSION, _CONNECT) else None


async def _reply(writer: asyncio.StreamWriter, code: int) -> None:
    writer.write(bytes((_VERSION, code, 0, _IPV4)) + bytes(6))
    await writer.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await writer.wait_closed()
    writer.transport.abort()  # do not wait for a peer that does not read the rest

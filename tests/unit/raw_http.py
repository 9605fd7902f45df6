"""A gateway without services behind it, served on a port, and a client that sends bytes as they are."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from gateway_fixture import gateway_over

from soundwright.kit.errors import AppError, Code
from soundwright.kit.http_limits import ConnectionGuard, HttpLimits
from soundwright.kit.http_server import serve_http
from soundwright.services.gateway.app import build, http_limits
from soundwright.services.gateway.callers.authenticator import Authenticator
from soundwright.services.gateway.callers.rate_limits import RateClass, RateLimiter
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.dialects.forge import FORGE, forge_routes
from soundwright.services.gateway.dialects.soundbox import SOUNDBOX, soundbox_routes
from soundwright.services.gateway.web import PAGES, page_routes
from soundwright_client.local import free_ports
from tests.clocks import HandClock


class _Away:
    """Services that do not answer."""

    def __getattr__(self, name: str) -> Any:
        async def call(*_arguments: Any, **_options: Any) -> None:
            raise AppError(Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "The services do not answer.")

        return call


class LongestStep:
    """Measures the processor time of the longest callback of the event loop. Other load on the machine does not count."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        run = asyncio.Handle._run

        def measured(handle: asyncio.Handle) -> None:
            started = time.thread_time()
            run(handle)
            self.seconds = max(self.seconds, time.thread_time() - started)

        monkeypatch.setattr(asyncio.Handle, "_run", measured)


@contextlib.asynccontextmanager
async def serving(folder: Path, limits: HttpLimits | None = None, **settings: Any) -> AsyncIterator[int]:
    """Serve the gateway while the block runs. Return its port."""
    clients = Clients(**dict.fromkeys(Clients.__dataclass_fields__, _Away()))
    gateway = gateway_over(clients, folder, **settings)
    known = gateway.settings
    routers = [forge_routes(gateway), soundbox_routes(gateway), page_routes(gateway)]
    limiter = RateLimiter(dict.fromkeys(RateClass, 10_000), HandClock())
    authenticator = Authenticator(_Away(), known.open_access, known.secrets())  # type: ignore[arg-type]
    site = build([FORGE, SOUNDBOX, PAGES], routers, authenticator, limiter, known)
    (port,) = free_ports(1)
    try:
        async with (
            ConnectionGuard(limits or http_limits(known)).running() as guard,
            serve_http(site, f"127.0.0.1:{port}", guard, ws="none"),
        ):
            yield port
    finally:
        gateway.playback.close()
        gateway.reencoder.slots.close()


class Raw:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        """Send bytes. A server may close the connection before it has read them all."""
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def receive(self) -> bytes:
        """Return everything until the server closes the connection."""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(60):
                return await self._reader.read()
        return b""

    async def status(self) -> int:
        """Return the status of the next response; 0 if there is none."""
        try:
            async with asyncio.timeout(60):
                line = await self._reader.readline()
        except ConnectionError:
            return 0
        return int(line.split()[1]) if line else 0

    async def response(self) -> tuple[int, bytes]:
        """Return status and body of the next response, which must have a length."""
        async with asyncio.timeout(60):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), await self._reader.readexactly(length)

    async def line(self) -> bytes:
        async with asyncio.timeout(60):
            return await self._reader.readline()

    def pause(self) -> None:
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def close(self) -> None:
        self._writer.close()

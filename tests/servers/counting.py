"""A TCP proxy that counts what a server sends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

__all__ = ["Counter", "counting"]


@dataclass
class Counter:
    """``sent_bytes``: what the server has sent through ``address``, with headers."""

    address: str = ""
    sent_bytes: int = 0


@contextlib.asynccontextmanager
async def counting(upstream: str) -> AsyncIterator[Counter]:
    """Forward a new address to ``upstream``, ``host:port``, for the length of the block."""
    counter = Counter()

    async def forward(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        host, _, port = upstream.rpartition(":")
        server, request = await asyncio.open_connection(host, int(port))

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, count: bool) -> None:
            with contextlib.suppress(OSError):
                while data := await source.read(1 << 16):
                    counter.sent_bytes += len(data) if count else 0
                    target.write(data)
                    await target.drain()
            target.close()

        await asyncio.gather(pump(client, request, count=False), pump(server, answer, count=True))

    listener = await asyncio.start_server(forward, "127.0.0.1", 0)
    host, port = listener.sockets[0].getsockname()[:2]
    counter.address = f"{host}:{port}"
    try:
        yield counter
    finally:
        listener.close()

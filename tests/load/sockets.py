"""Idle live sockets: how many a gateway holds, what they cost, and whether all of them still answer."""

from __future__ import annotations

import asyncio
import time

import websockets
from fuzzing import health_watched
from phoenix_client import Phoenix, socket_url
from websockets.asyncio.client import ClientConnection

from tests.load.health import summary
from tests.stacks import Stack

__all__ = ["held", "report"]

_OPENING = 50  # at the same time


def report(stack: Stack, count: int, seconds: float) -> None:
    """Print a table."""
    (gateway,) = stack.component("gateway")
    memory_before, cpu_before = gateway.memory_info().rss, sum(gateway.cpu_times()[:2])
    started = time.perf_counter()
    with health_watched(stack.base_url) as health:
        opening_seconds, alive = asyncio.run(held(stack, count, seconds))
    memory_kib = (gateway.memory_info().rss - memory_before) / 1024
    cpu = (sum(gateway.cpu_times()[:2]) - cpu_before) / (time.perf_counter() - started)
    print("| idle sockets | opened in, s | alive after " + f"{seconds:.0f} s" + " | memory of each, KiB | CPU of the gateway "
          "| answers of `/health` | median, ms | p99, ms | longest, ms |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    print(f"| {count} | {opening_seconds:.1f} | {alive} | {memory_kib / count:.1f} | {cpu:.0%} | {summary(health)} |")
    assert alive == count


async def held(stack: Stack, count: int, seconds: float) -> tuple[float, int]:
    """Open sockets and hold them. Return how long they took to open, and how many of them answer afterwards."""
    slots = asyncio.Semaphore(_OPENING)

    async def opened() -> ClientConnection:
        async with slots:
            url = socket_url(stack.base_url, vsn="2.0.0", token=stack.token)
            return await websockets.connect(url, open_timeout=60, ping_interval=None)

    started = time.perf_counter()
    sockets = await asyncio.gather(*(opened() for _ in range(count)))
    opening_seconds = time.perf_counter() - started
    await asyncio.sleep(seconds)

    async def answers(socket: ClientConnection) -> bool:
        async with slots:
            client = Phoenix(socket)
            ref = await client.send("phoenix", "heartbeat")
            reply = await client.next()
            await socket.close()
        return reply[1] == ref and reply[4]["status"] == "ok"

    return opening_seconds, sum(await asyncio.gather(*(answers(socket) for socket in sockets)))

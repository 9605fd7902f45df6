"""Idle live sockets: how many a gateway holds, what they cost, and whether all of them still answer."""

from __future__ import annotations

import asyncio
import contextlib
import time

import websockets
from phoenix_client import Phoenix, socket_url
from websockets.asyncio.client import ClientConnection

from tests.load.health import health_watched, summary
from tests.stacks import Stack

__all__ = ["held", "report"]

_OPENING = 50  # at the same time
_HEARTBEAT_SECONDS = 20.0


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
    """Open sockets, and hold them for a time after the last one is open. They do nothing but what keeps them open.

    Returns:
        how long they took to open, and how many of them answer at the end.
    """
    slots = asyncio.Semaphore(_OPENING)
    over = asyncio.Event()
    url = socket_url(stack.base_url, vsn="2.0.0", token=stack.token)

    async def hold(socket: ClientConnection) -> bool:
        client = Phoenix(socket)
        while True:
            ended = over.is_set()
            ref = await client.send("phoenix", "heartbeat")
            reply = await client.next()
            if reply[1] != ref or reply[4]["status"] != "ok":
                return False
            if ended:
                await socket.close()
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_HEARTBEAT_SECONDS):
                    await over.wait()

    async def opened() -> asyncio.Task[bool]:
        async with slots:
            return asyncio.create_task(hold(await websockets.connect(url, open_timeout=60, ping_interval=None)))

    started = time.perf_counter()
    holding = await asyncio.gather(*(opened() for _ in range(count)))
    opening_seconds = time.perf_counter() - started
    await asyncio.sleep(seconds)
    over.set()
    return opening_seconds, sum(await asyncio.gather(*holding))

"""How fast ``/health`` answers during attacks: on HTTP itself, and by hostile texts in the parameters of all routes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from attacks import attacks, corpus, send
from published import Document

from tests.http_attacks import HUGE, IDLE, SLOW
from tests.load.health import health_watched, summary
from tests.stacks import Stack

__all__ = ["report"]

_SLOW_CONNECTIONS = 100
_HUGE_CONNECTIONS = 4
_SENDERS = 4
_DRIP_SECONDS = 0.05


def report(stack: Stack, seconds: float) -> None:
    """Print a table: each attack lasts this long."""
    print("| attack | answers of `/health` | median, ms | p99, ms | longest, ms |\n|---|---:|---:|---:|---:|")
    _watched(stack, "none", lambda: time.sleep(seconds))
    for name, (start, more) in {**SLOW, **IDLE}.items():
        parts = [start, *(bytes([byte]) for byte in more[: round(seconds / _DRIP_SECONDS)])]
        _watched(stack, f"{_SLOW_CONNECTIONS} times: {name}", _connections(stack, parts, _SLOW_CONNECTIONS, seconds))
    for name, (content, _status) in HUGE.items():
        _watched(stack, f"huge {name}", _connections(stack, [content], _HUGE_CONNECTIONS, seconds))
    document = Document(stack.base_url)
    for kind, texts in corpus("http://127.0.0.2:9/").items():
        _watched(stack, f"hostile parameters: {kind}", _hostile(stack, document, kind, texts, seconds))


def _watched(stack: Stack, name: str, attack: Callable[[], object]) -> None:
    with health_watched(stack.base_url) as health:
        attack()
    assert max(health) < float("inf"), f"/health did not answer: {name}"
    print(f"| {name} | {summary(health)} |", flush=True)


def _connections(stack: Stack, parts: list[bytes], count: int, seconds: float) -> Callable[[], None]:
    """Return a function that sends ``parts`` over many connections, again and again, until the time is over."""
    address = urlsplit(stack.base_url)

    async def connection(deadline: float) -> None:
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout_at(asyncio.get_running_loop().time() + deadline - time.monotonic()):
                    reader, writer = await asyncio.open_connection(address.hostname, address.port)
                    with contextlib.closing(writer):
                        for part in parts:
                            writer.write(part)
                            await writer.drain()
                            if len(part) == 1:
                                await asyncio.sleep(_DRIP_SECONDS)
                        await reader.read()

    async def attack() -> None:
        deadline = time.monotonic() + seconds
        await asyncio.gather(*(connection(deadline) for _ in range(count)))

    return lambda: asyncio.run(attack())


def _hostile(stack: Stack, document: Document, kind: str, texts: list[str], seconds: float) -> Callable[[], None]:
    credentials = {"Authorization": f"Bearer {stack.token}"}

    def run() -> None:
        deadline = time.monotonic() + seconds
        turns: Iterator[object] = itertools.takewhile(
            lambda _attack: time.monotonic() < deadline,
            itertools.chain.from_iterable(attacks(document, {kind: texts}, {}, len(texts)) for _ in itertools.count()),
        )
        with ThreadPoolExecutor(_SENDERS) as senders:
            for batch in iter(lambda: list(itertools.islice(turns, 2 * _SENDERS)), []):
                list(senders.map(lambda attack: send(stack.base_url, attack, credentials), batch))

    return run

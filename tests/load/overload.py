"""More than a gateway serves: too many requests of a caller, and too many connections. Then, whether it recovers."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter

import httpx
from gateway_process import GatewayProcess

from tests.load.clients import Answer, answers
from tests.stacks import Stack

__all__ = ["flooded", "report"]

_LIMITS = {"rate_normal_per_minute": "1200", "connection_address_limit": "300"}
_SOON_SECONDS = 0.1
_RECOVERY_SECONDS = 5.0
_DEADLINE_SECONDS = 60.0


def report(stack: Stack) -> None:
    """Print a table."""
    print("| overload | requests | answers by status | p99 of refusals, ms | served again after, s |")
    print("|---|---:|---|---:|---:|")
    with GatewayProcess(stack, **_LIMITS) as gateway:
        for name, path, connections, each in (
            ("a caller with 100 connections, who may send 1,200 requests per minute", "/api/tracks", 100, 100),
            ("an address with 600 connections, which may have 300", "/health", 600, 1),
        ):
            found, recovery_seconds = flooded(gateway.base_url, path, stack.token, connections, each)
            statuses = Counter(answer.status for answer in found)
            refused = sorted(1000 * answer.seconds for answer in found if answer.status in (429, 503))
            p99 = refused[math.ceil(len(refused) * 0.99) - 1]
            shown = ", ".join(f"{status}: {number}" for status, number in sorted(statuses.items()))
            print(f"| {name} | {len(found)} | {shown} | {p99:.0f} | {recovery_seconds:.1f} |", flush=True)
            assert set(statuses) <= {0, 200, 429, 503}, statuses
            assert recovery_seconds <= _RECOVERY_SECONDS


def flooded(base_url: str, path: str, token: str, connections: int, each: int) -> tuple[list[Answer], float]:
    """Flood a gateway. Return the answers, and how many seconds later another client is served within 0.1 seconds."""
    url, headers = f"{base_url}{path}", {"Authorization": f"Bearer {token}"}
    found = asyncio.run(answers(url, headers, connections, each))
    ended = time.perf_counter()
    while True:
        started = time.perf_counter()
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{base_url}/health", timeout=10).raise_for_status()
            if time.perf_counter() - started < _SOON_SECONDS:
                break
        if time.perf_counter() - ended > _DEADLINE_SECONDS:
            break
        time.sleep(0.05)
    return found, time.perf_counter() - ended

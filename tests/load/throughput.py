"""The gateway beside a bare FastAPI application: most requests per second, and latency at half of that rate."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
from pathlib import Path

import psutil
from stories import encoded, song, upload

from tests.load import bare
from tests.load.clients import Rate, maximum_rate, paced
from tests.stacks import Stack

__all__ = ["report"]


def report(stack: Stack, seconds: float, rounds: int) -> None:
    """Print a table. The servers take turns."""
    with stack.client() as client, tempfile.TemporaryDirectory() as folder:
        track = upload(client, encoded(song(3.0)), title="Song", artist="Artist", album="Album")
        with bare.serving(track, Path(folder)) as bare_url:
            token = {"Authorization": f"Bearer {stack.token}"}
            routes = {
                "bare FastAPI, `async def`": (f"{bare_url}/async/{track['id']}", {}),
                "bare FastAPI, `def`": (f"{bare_url}/sync/{track['id']}", {}),
                "gateway, `GET /health`": (f"{stack.base_url}/health", {}),
                "gateway, `GET /api/tracks/{id}` with a token": (f"{stack.base_url}/api/tracks/{track['id']}", token),
            }
            found: dict[str, list[Rate]] = {name: [] for name in routes}
            cpu_ms: list[float] = []
            for _ in range(rounds):
                for name, (url, headers) in routes.items():
                    before = _cpu_seconds(stack)
                    rate = maximum_rate(url, headers, seconds)
                    found[name].append(rate)
                    if headers:
                        cpu_ms.append((_cpu_seconds(stack) - before) / (rate.per_second * seconds) * 1000)
            _print(found)
            url, headers = routes["gateway, `GET /api/tracks/{id}` with a token"]
            half = (
                statistics.median(rate.per_second for rate in found["gateway, `GET /api/tracks/{id}` with a token"]) / 2
            )
            timed = asyncio.run(paced(url, headers, half, seconds * rounds))
            milliseconds = [answer.seconds * 1000 for answer in timed]
            p50, p99 = (statistics.quantiles(milliseconds, n=100)[number] for number in (49, 98))
            assert {answer.status for answer in timed} == {200}
            print(
                f"\nAt half of the maximum rate, {half:.0f} requests per second: p50 {p50:.1f} ms, p99 {p99:.1f} ms. "
                f"A request costs {statistics.median(cpu_ms):.2f} ms of CPU time, that of the gateway and the library."
            )


def _print(found: dict[str, list[Rate]]) -> None:
    print("| | requests/s, median | lowest to highest | ratio | p50, ms | p99, ms |\n|---|---:|---:|---:|---:|---:|")
    base = _median(found, 0)
    for number, (name, rates) in enumerate(found.items()):
        assert not any(rate.refused or rate.broken for rate in rates), (name, rates)
        low, high = min(rate.per_second for rate in rates), max(rate.per_second for rate in rates)
        p50, p99 = (statistics.median(getattr(rate, field) for rate in rates) for field in ("p50_ms", "p99_ms"))
        middle = _median(found, number)
        print(f"| {name} | {middle:.0f} | {low:.0f} to {high:.0f} | {middle / base:.2f} | {p50:.1f} | {p99:.1f} |")


def _median(found: dict[str, list[Rate]], number: int) -> float:
    return statistics.median(rate.per_second for rate in list(found.values())[number])


def _cpu_seconds(stack: Stack) -> float:
    processes: list[psutil.Process] = [*stack.component("gateway"), *stack.component("library")]
    return sum(sum(process.cpu_times()[:2]) for process in processes)

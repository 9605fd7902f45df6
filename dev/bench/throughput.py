"""The gateway beside a bare FastAPI application: most requests per second, CPU time, and latency at half of that rate. It needs wrk.

python -m dev.bench.throughput [--seconds 8] [--rounds 5]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import uvicorn
from fastapi import FastAPI

from dev.bench.latency import noise
from dev.bench.transfer import gateway_of
from soundwright_client.local import free_ports, running

_SETTINGS = {
    "SOUNDWRIGHT_RATE_NORMAL_PER_MINUTE": "100000000",
    "SOUNDWRIGHT_RATE_POLLING_PER_MINUTE": "100000000",
    "HF_HUB_OFFLINE": "1",
}
_CONNECTIONS = 50
_UNPACKED = Path(__file__).parents[2] / ".servers" / "wrk" / "usr"
_REPORT = """
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format('\\n{"count": %d, "rate": %f, "p50_ms": %f, "p99_ms": %f, "failed": %d}\\n',
    summary.requests, summary.requests / summary.duration * 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="the servers take turns (default: %(default)s)")
    parser.add_argument("--serve", type=int, metavar="PORT", help="run the bare application")
    options = parser.parse_args()
    if options.serve:
        uvicorn.run(bare(), port=options.serve, access_log=False, log_level="warning")
        return 0
    (port,) = free_ports(1)
    application = subprocess.Popen([sys.executable, "-m", "dev.bench.throughput", f"--serve={port}"])
    try:
        with (
            tempfile.TemporaryDirectory(prefix="throughput-bench-") as folder,
            running(Path(folder) / "data", _SETTINGS) as stack,
            stack.client() as client,
        ):
            report = Path(folder) / "report.lua"
            report.write_text(_REPORT)
            track = client.post("/api/tracks", files={"file": ("tiny.wav", noise(0.25))}).json()["data"]["id"]
            token = {"Authorization": f"Bearer {stack.token}"}
            reference, gateway = psutil.Process(application.pid), gateway_of(stack)
            routes: dict[str, tuple[psutil.Process, str, Mapping[str, str]]] = {
                "bare FastAPI, `async def`": (reference, f"http://127.0.0.1:{port}/async/{track}", {}),
                "bare FastAPI, `def`": (reference, f"http://127.0.0.1:{port}/sync/{track}", {}),
                "gateway, `GET /health`": (gateway, f"{stack.base_url}/health", {}),
                "gateway, `GET /api/tracks/{id}` with a token": (
                    gateway,
                    f"{stack.base_url}/api/tracks/{track}",
                    token,
                ),
            }
            found = [
                {name: maximum(*route, options.seconds, report) for name, route in routes.items()}
                for _ in range(options.rounds)
            ]
            print(
                "| | requests/s, median | lowest to highest | ratio | CPU, ms per 1,000 requests | ratio | p50, ms | p99, ms |"
                "\n|---|---:|---:|---:|---:|---:|---:|---:|"
            )
            base = base_cpu = 0.0
            for name in routes:
                rates = sorted(result[name]["rate"] for result in found)
                p50, p99 = (statistics.median(result[name][key] for result in found) for key in ("p50_ms", "p99_ms"))
                rate = statistics.median(rates)
                cpu = statistics.median(result[name]["cpu_ms"] for result in found)
                base, base_cpu = base or rate, base_cpu or cpu
                print(
                    f"| {name} | {rate:.0f} | {rates[0]:.0f} to {rates[-1]:.0f} | {rate / base:.2f} "
                    f"| {cpu:.0f} | {base_cpu / cpu:.2f} | {p50:.1f} | {p99:.1f} |"
                )
            times = asyncio.run(paced(*routes[name][1:], rate / 2, options.seconds * options.rounds))
            p50, p99 = (1000 * statistics.quantiles(times, n=100)[number] for number in (49, 98))
            print(
                f"\nAt half of the maximum rate, {rate / 2:.0f} requests per second: p50 {p50:.1f} ms, p99 {p99:.1f} ms."
            )
    finally:
        application.terminate()
        application.wait()
    return 0


def bare() -> FastAPI:
    """Return an application that answers with a track, in a coroutine and in a thread, and does nothing else."""
    app = FastAPI()
    track = {"title": "Song", "artist": "Artist", "album": "Album", "duration": 180.0, "key": "C major", "tempo": 120.0}

    @app.get("/async/{track_id}")
    async def get_track(track_id: str):  # type: ignore[no-untyped-def]  # a type of the result would change how it is encoded
        return {"data": {**track, "id": track_id}}

    @app.get("/sync/{track_id}")
    def get_track_in_thread(track_id: str):  # type: ignore[no-untyped-def]
        return {"data": {**track, "id": track_id}}

    return app


def maximum(
    server: psutil.Process, url: str, headers: Mapping[str, str], seconds: float, report: Path
) -> dict[str, float]:
    """Request ``url`` over 50 connections as often as the server answers. Measure the CPU time of the server's process."""
    program, environment = shutil.which("wrk"), {}
    if program is None:
        program = str(_UNPACKED / "bin" / "wrk")
        environment = {"LD_LIBRARY_PATH": ":".join(map(str, _UNPACKED.glob("lib/*/")))}
    options = [option for name, value in headers.items() for option in ("-H", f"{name}: {value}")]
    command = [program, "-t1", "--timeout", "30s", f"-c{_CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(report)]
    before = server.cpu_times()
    done = subprocess.run([*command, *options, url], env={**os.environ, **environment}, check=True, capture_output=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    assert not found["failed"], found
    after = server.cpu_times()
    found["cpu_ms"] = 1e6 * (after.user + after.system - before.user - before.system) / found["count"]
    return found


async def paced(url: str, headers: Mapping[str, str], per_second: float, seconds: float) -> list[float]:
    """Request ``url`` at a constant rate, over at most 50 connections. Return seconds from the moment that each request was due."""
    start = time.perf_counter() + 0.1
    due = iter([start + number / per_second for number in range(round(per_second * seconds))])
    place = urlsplit(url)
    lines = [f"GET {place.path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    found: list[float] = []

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for moment in due:
            await asyncio.sleep(moment - time.perf_counter())
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.split()[1] == b"200", head
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            found.append(time.perf_counter() - moment)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(_CONNECTIONS)))
    return found


if __name__ == "__main__":
    sys.exit(main())

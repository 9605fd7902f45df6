"""Waiting time of jobs on an idle stack, and response time of the stack while it computes.

python -m dev.bench.latency [--jobs 100] [--seconds 20]
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile

from soundwright_client.local import Stack, running

_RATE_HZ = 44_100
_SETTINGS = {
    "SOUNDWRIGHT_RATE_NORMAL_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_RATE_HEAVY_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_RATE_POLLING_PER_MINUTE": "1000000",
    "SOUNDWRIGHT_PIPELINE_MODEL": "dsp",
    "HF_HUB_OFFLINE": "1",
}
_POLL_SECONDS = 0.002
_PROBE_PAUSE_SECONDS = 0.005
_WARM_UP_JOBS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100, help="jobs of each kind (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=20, help="time spent polling /health (default: %(default)s)")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="latency-bench-") as folder,
        running(Path(folder) / "data", _SETTINGS) as stack,
        stack.client() as client,
    ):
        tiny = client.post("/api/tracks", files={"file": ("tiny.wav", noise(0.25))}).json()["data"]["id"]
        for _ in range(_WARM_UP_JOBS):
            analysis_seconds(client, tiny)
            pipeline_wait_seconds(client)
        rows = {
            "job accepted until job started": [pipeline_wait_seconds(client) for _ in range(options.jobs)],
            "request sent until result visible": [analysis_seconds(client, tiny) for _ in range(options.jobs)],
            "`GET /health`, idle": health_seconds(stack, options.seconds),
            "`GET /health`, two separations waiting or running": health_seconds_at_work(client, stack, options.seconds),
        }
    print("| | count | p50, ms | p99, ms | longest, ms |\n|---|---:|---:|---:|---:|")
    for name, seconds in rows.items():
        middle, high = np.percentile(seconds, (50, 99)) * 1000
        print(f"| {name} | {len(seconds)} | {middle:.1f} | {high:.1f} | {max(seconds) * 1000:.1f} |")
    print(
        "\nJobs are submitted one at a time. The first row is measured with the stack's clock, until the first stage "
        "of a pipeline job starts. The second row is measured at the client: a complete analysis of 0.25 s of noise."
    )
    return 0


def pipeline_wait_seconds(client: httpx.Client) -> float:
    """Submit a short pipeline job and wait for its end. Return the seconds from acceptance to the first stage."""
    job = client.post("/process", files={"file": ("tiny.wav", noise(0.25))}).json()
    ended = until_ended(client, f"/job/{job['job_id']}", lambda body: body)
    started = datetime.fromisoformat(ended["stages"][0]["started_at"])
    return (started - datetime.fromisoformat(ended["created_at"])).total_seconds()


def analysis_seconds(client: httpx.Client, track_id: str) -> float:
    """Return the seconds from the request for a short analysis to the first poll that returns its result."""
    started = time.perf_counter()
    answer = client.post("/api/analysis/analyze", json={"track_id": track_id, "features": ["energy"]})
    until_ended(client, f"/api/analysis/job/{answer.json()['data']['job_id']}", lambda body: body["data"])
    return time.perf_counter() - started


def until_ended(client: httpx.Client, path: str, job_of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    while True:
        job = job_of(client.get(path).json())
        if job["status"] == "completed":
            return job
        if job["status"] == "failed":
            raise RuntimeError(f"A job failed: {json.dumps(job)}")
        time.sleep(_POLL_SECONDS)


def health_seconds_at_work(client: httpx.Client, stack: Stack, seconds: float) -> list[float]:
    """Return latencies of ``GET /health`` in seconds while separation computes continuously."""
    track_id = client.post("/api/tracks", files={"file": ("long.wav", noise(600))}).json()["data"]["id"]

    def submit() -> str:
        answer = client.post("/api/processing/separate", json={"track_id": track_id, "model": "dsp"})
        return str(answer.json()["data"]["job_id"])

    jobs = [submit(), submit()]
    measured: list[float] = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        measured += health_seconds(stack, 0.5)
        for index, job_id in enumerate(jobs):
            if client.get(f"/api/jobs/{job_id}").json()["data"]["status"] in ("completed", "failed"):
                jobs[index] = submit()
    for job_id in jobs:
        client.delete(f"/api/jobs/{job_id}")
    return measured


def health_seconds(stack: Stack, seconds: float) -> list[float]:
    """Return latencies of ``GET /health`` in seconds: one connection, sequential requests with a short pause."""
    host, port = stack.base_url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    measured = []
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        connection.request("GET", "/health")
        response = connection.getresponse()
        response.read()
        measured.append(time.perf_counter() - started)
        if response.status != 200:
            raise RuntimeError(f"GET /health returned {response.status}")
        time.sleep(_PROBE_PAUSE_SECONDS)
    connection.close()
    return measured


def noise(seconds: float) -> bytes:
    """Return a stereo WAV file with noise."""
    buffer = io.BytesIO()
    samples = np.random.default_rng(0).normal(0.0, 0.1, (round(seconds * _RATE_HZ), 2))
    soundfile.write(buffer, samples, _RATE_HZ, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())

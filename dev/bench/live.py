"""Live stems: the time from the request of a separation until its first segment can be heard, of all stems.

A stack with the default settings separates a synthetic song again and again, with the model that `auto` chooses. Each listener asks for
the first segment of each stem as the studio does. The last one listens to the end: a segment that is not there when its turn comes is a
stall.

    python -m dev.bench.live [--minutes 4] [--rounds 20]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from soundwright_client.local import running
from tests.api.stories import encoded, song, upload


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4.0, help="length of the song (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=20, help="separations (default: %(default)s)")
    options = parser.parse_args()
    content = encoded(np.tile(song(30.0), (round(options.minutes * 2), 1)))
    limits = ("HEAVY", "NORMAL", "POLLING", "FILES")
    settings = {"SOUNDWRIGHT_FALLBACK": "true", **{f"SOUNDWRIGHT_RATE_{name}_PER_MINUTE": "100000" for name in limits}}
    with (
        tempfile.TemporaryDirectory(prefix="live-bench-") as folder,
        running(Path(folder), settings) as stack,
        stack.client() as client,
    ):
        track = upload(client, content)
        first(client, track["id"])  # the model is loaded
        seconds = sorted(first(client, track["id"]) for _ in range(options.rounds))
        stalls, lead_seconds = listened(client, track["id"])
    print(
        "| song | separations | first segment of all stems: median | p95 | longest | stalls to the end | smallest lead |"
    )
    print("|---:|---:|---:|---:|---:|---:|---:|")
    p95 = seconds[round(0.95 * (len(seconds) - 1))]
    print(
        f"| {options.minutes:g} min | {len(seconds)} | {statistics.median(seconds):.2f} s | {p95:.2f} s | {seconds[-1]:.2f} s | "
        f"{stalls} | {lead_seconds:.1f} s |"
    )
    return 0


def separated(client: httpx.Client, track_id: str) -> str:
    """Begin to separate a track, and return the address of its live stems."""
    body = {"track_id": track_id, "model": "auto"}
    job_id = client.post("/api/processing/separate", json=body).raise_for_status().json()["data"]["job_id"]
    return f"/api/jobs/{job_id}/live"


def segments(client: httpx.Client, live: str, number: int) -> dict[str, Any]:
    """Wait until a segment of all stems is there, and return the state of the live stems."""
    while True:
        state: dict[str, Any] = client.get(live, params={"wait_for": number}).raise_for_status().json()["data"]
        assert state["state"] not in ("failed", "cancelled"), state
        if state["ready_segment_count"] > number:
            return state


def listened(client: httpx.Client, track_id: str) -> tuple[int, float]:
    """Separate a track, and play it from the moment at which its first segment is there.

    Returns:
        The number of segments that came after their turn, and by how many seconds the latest one came before it.
    """
    live = separated(client, track_id)
    state, leads = segments(client, live, 0), [0.0]
    started = time.perf_counter()
    segment_seconds = state["segment_frame_count"] / state["sample_rate_hz"]
    for number in range(1, state["segment_count"]):
        segments(client, live, number)
        leads.append(number * segment_seconds - (time.perf_counter() - started))
    return sum(lead < 0 for lead in leads), min(leads[1:])


def first(client: httpx.Client, track_id: str) -> float:
    """Separate a track, and return the seconds until the first segment of all stems is there. Then cancel the job."""
    started = time.perf_counter()
    live = separated(client, track_id)
    state = segments(client, live, 0)
    for stem in state["stems"]:
        client.get(f"{live}/{stem['stem_type']}/segments/0").raise_for_status()
    seconds = time.perf_counter() - started
    job = live.removesuffix("/live")
    client.delete(job).raise_for_status()
    while client.get(job).raise_for_status().json()["data"]["status"] not in ("completed", "failed"):
        time.sleep(0.1)
    return seconds


if __name__ == "__main__":
    sys.exit(main())

"""Many uploads at the same time: each is accepted, or refused with a status that tells the client to wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import httpx
from stories import encoded, song

from tests.load.health import health_watched, summary
from tests.stacks import Stack

__all__ = ["REFUSALS", "report", "uploaded"]

REFUSALS = {429, 503}
_DEADLINE_SECONDS = 600.0


def report(stack: Stack, count: int) -> None:
    """Print a table."""
    started = time.perf_counter()
    with health_watched(stack.base_url) as health:
        answers, lost = asyncio.run(uploaded(stack, count))
    seconds = time.perf_counter() - started
    statuses = Counter(answer.status_code for answer in answers)
    refused = [answer.elapsed.total_seconds() for answer in answers if answer.status_code in REFUSALS]
    print("| uploads at once | all answered in, s | accepted | refused | longest refusal, s | lost | answers of `/health` "
          "| median, ms | p99, ms | longest, ms |\n|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")  # fmt: skip
    print(f"| {count} | {seconds:.1f} | {statuses[201]} | {len(refused)} | {max(refused, default=0):.1f} | {len(lost)} "
          f"| {summary(health)} |")  # fmt: skip
    assert set(statuses) <= {201, *REFUSALS}, statuses
    assert not lost


async def uploaded(stack: Stack, count: int) -> tuple[list[httpx.Response], list[str]]:
    """Upload short songs at the same time. Return the answers, and the IDs of accepted tracks that are not in the library."""
    content = encoded(song(0.5))
    limits = httpx.Limits(max_connections=count)
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with httpx.AsyncClient(
        base_url=stack.base_url, headers=headers, limits=limits, timeout=_DEADLINE_SECONDS
    ) as client:
        answers = await asyncio.gather(
            *(client.post("/api/tracks", files={"file": (f"{number}.wav", content)}) for number in range(count))
        )
        accepted = [answer.json()["data"]["id"] for answer in answers if answer.status_code == 201]
        found = [(await client.get(f"/api/tracks/{track_id}")).status_code for track_id in accepted]
    return list(answers), [track_id for track_id, status in zip(accepted, found, strict=True) if status != 200]

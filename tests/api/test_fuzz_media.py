"""Broken recordings: whatever is uploaded is answered as the document says, in little time and memory."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from exploring import Member
from fuzzing import found_in
from published import Document
from stories import song

from tests.broken_media import BOMBS, SLOW_BOMBS, broken_recordings, good_recordings
from tests.stacks import Stack
from tests.waiting import eventually

SEED = 14
MEMORY_BYTES = 512 << 20
CPU_SECONDS = 15.0
"""A machine with an idle core answers in 20 seconds: starting a reader takes one."""
log = logging.getLogger(__name__)


@dataclass
class Usage:
    """What ``ingest`` and the processes that read for it used.

    Attributes:
        cpu_seconds: the most that one reading process used, which does not depend on what else the machine does.
    """

    bytes_before: int = 0
    bytes_at_most: int = 0
    cpu_seconds: float = 0.0


@contextlib.contextmanager
def usage_watched(stack: Stack) -> Iterator[Usage]:
    """Measure all the time, from the beginning of the block to its end."""
    usage = Usage()
    over = threading.Event()

    def measure() -> int:
        total = 0
        for component in stack.component("ingest"):
            total += component.memory_info().rss
            for reader in component.children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    total += reader.memory_info().rss
                    usage.cpu_seconds = max(usage.cpu_seconds, sum(reader.cpu_times()[:2]))
        return total

    def watch() -> None:
        while not over.wait(0.1):
            usage.bytes_at_most = max(usage.bytes_at_most, measure())

    usage.bytes_before = measure()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield usage
    finally:
        over.set()
        thread.join()


def recordings(folder: Path, count: int, long: bool) -> Iterator[tuple[str, bytes]]:
    """Yield mutations and bombs, with their names."""
    bombs = {**BOMBS, **(SLOW_BOMBS if long else {})}
    yield from broken_recordings(song(0.6), count - len(bombs), SEED)
    for name, write in bombs.items():
        yield name, write(folder / "bomb").read_bytes()


def sent(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/api/tracks", files={"file": ("song", content)})


@pytest.mark.usefixtures("nothing_crashes")
@pytest.mark.parametrize("count", [16, pytest.param(500, marks=pytest.mark.campaign)])
def test_broken_recordings_are_answered_in_little_time_and_memory(
    stack: Stack, document: Document, tmp_path: Path, count: int
) -> None:
    long = count == 500
    processes = [process.pid for process in stack.component("ingest")]
    statuses: Counter[str] = Counter()
    problems, seconds = [], {}
    with Member(stack, document) as client, usage_watched(stack) as usage:
        stored = stack.stored()
        for name, content in recordings(tmp_path, count, long):
            start = time.perf_counter()
            answer = sent(client, content)
            seconds[name] = time.perf_counter() - start
            problems += [f"{name}: {each}" for each in found_in(document, "POST /api/tracks", answer)]
            statuses[str(answer.json().get("code", answer.status_code))] += 1
            if answer.status_code == 201:
                assert client.delete(f"/api/tracks/{answer.json()['data']['id']}").status_code == 204
        good = good_recordings(song(0.6))
        for name, content in good.items() if long else [*good.items()][-1:]:
            answer = sent(client, content)
            assert answer.status_code == 201, f"{name}: {answer.text}"
            assert client.delete(f"/api/tracks/{answer.json()['data']['id']}").status_code == 204
    slowest = max(seconds, key=seconds.__getitem__)
    log.info("%d files: %s", len(seconds), dict(statuses))
    log.info("slowest: %s, %.1f s; CPU time of a reader: at most %.1f s", slowest, seconds[slowest], usage.cpu_seconds)
    log.info("memory: %d MB before, at most %d MB", usage.bytes_before >> 20, usage.bytes_at_most >> 20)
    assert len(seconds) == count
    assert problems == []
    assert usage.bytes_at_most - usage.bytes_before < MEMORY_BYTES
    assert usage.cpu_seconds < CPU_SECONDS
    assert [process.pid for process in stack.component("ingest")] == processes
    eventually(lambda: stack.scratch("ingest") == [])
    eventually(lambda: sorted(stack.stored()) == sorted(stored))

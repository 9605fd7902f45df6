"""Mixed load for a long time: nothing that a stack takes up may grow."""

from __future__ import annotations

import itertools
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from clients import Client, Outcome, Wish, wishes
from measurements import LIMITS, Measurements, verdict
from work import CAMPAIGN_SETTINGS

from demo.stack import Stack, running
from tests.api.stories import encoded, song
from tests.simulators.lalalai import LalalaiSimulator
from tests.simulators.media_site import MediaSite

log = logging.getLogger(__name__)
_SHARE_OF_CAPACITY = 0.7
_AT_ONCE = 8
_MOST_AT_ONCE = 32
_RETENTION_SECONDS = 60.0
_KEEP_DAYS = 60 / 86_400
_KEPT = ("PIPELINE", "EXPORTS", "DOWNLOADS", "CLIPS", "AUDIT", "JOBS")


@pytest.mark.campaign
def test_a_long_mixed_load_leaves_everything_flat(tmp_path: Path) -> None:
    """``make soak``. SOAK_MINUTES changes its length."""
    minutes = float(os.environ.get("SOAK_MINUTES", "30"))
    _soak(tmp_path, minutes * 60, capacity_seconds=60.0, warm_seconds=max(90.0, minutes * 12), interval_seconds=5.0)


def test_a_short_mixed_load_is_measured(tmp_path: Path) -> None:
    _soak(tmp_path, 10.0, capacity_seconds=10.0, warm_seconds=0.0, interval_seconds=0.5)


def test_the_verdict_finds_what_grows() -> None:
    flat = [(float(second), 100.0 + second % 7) for second in range(100)]
    leak = [(second, value + second * 0.5) for second, value in flat]
    late_leak = [(second, value if second < 20 else leak[int(second)][1]) for second, value in flat]
    samples = {("flat", "memory MB"): flat, ("leak", "memory MB"): leak, ("late", "memory MB"): late_leak}
    samples["much", "WAL MB"] = [(float(second), 33.0) for second in range(100)]
    assert {line.name: line.fine for line in verdict(samples, 20.0, LIMITS)} == {
        "flat": True, "leak": False, "late": False, "much": False
    }  # fmt: skip
    growing_before_it_is_warm = [(second, min(second, 50.0)) for second, _ in flat]
    [line] = verdict({("library", "memory MB"): growing_before_it_is_warm}, 50.0, LIMITS)
    assert (line.early, line.late, line.fine) == (50.0, 50.0, True)


def _soak(
    folder: Path, seconds: float, *, capacity_seconds: float, warm_seconds: float, interval_seconds: float
) -> None:
    songs = [encoded(song(2.0, seed=number)) for number in range(2)]
    with ExitStack() as stack:
        site, lalalai = stack.enter_context(MediaSite()), stack.enter_context(LalalaiSimulator())
        settings = {**CAMPAIGN_SETTINGS, **lalalai.settings, "SOUNDWRIGHT_FETCH_ALLOW_HOSTS": site.address}
        started = stack.enter_context(running(folder / "data", settings))

        def link(wish: Wish) -> str:
            return site.file(f"/{wish.number}/song.wav", songs[wish.song], "audio/wav")

        client = stack.enter_context(closing(Client(started.base_url, started.token, songs, link)))
        client.prepare(0)
        load = _Load(client, len(songs))
        capacity_per_second = load.as_fast_as_possible(capacity_seconds) / capacity_seconds
        measurements = Measurements(started)
        began = time.monotonic()
        with measurements.taken(interval_seconds), _retention(started, settings):
            done_count = load.paced(_SHARE_OF_CAPACITY * capacity_per_second, seconds)
        lines = verdict(measurements.samples, began + warm_seconds, LIMITS)
        log.info(
            "%d jobs ended in %.0f s, capacity %.0f jobs per minute, %d not asked for because the stack was behind.\n%s",
            done_count, seconds, 60 * capacity_per_second, load.skipped_count, "\n".join(map(str, lines)),
        )  # fmt: skip
        names = {line.name for line in lines}
        assert {"supervisor", "broker", "gateway", "library", "ingest", "separation", "analysis", "generation"} <= names
        assert load.failures == []
        if seconds > 60:
            assert [str(line) for line in lines if not line.fine] == []
        assert "Traceback" not in (started.data_dir / "stack.log").read_text()


@contextmanager
def _retention(stack: Stack, settings: Mapping[str, str]) -> Iterator[None]:
    """Delete the records and files of a minute ago for the length of the block. The library itself does so every hour."""
    over = threading.Event()
    environment = {**os.environ, **settings, "SOUNDWRIGHT_DATA_DIR": str(stack.data_dir)}
    environment |= {f"SOUNDWRIGHT_KEEP_{name}_DAYS": f"{_KEEP_DAYS:f}" for name in _KEPT}

    def apply() -> None:
        while not over.wait(_RETENTION_SECONDS):
            command = [sys.executable, "-m", "services.library", "retention", "--apply"]
            subprocess.run(command, env=environment, check=True, capture_output=True)

    with ThreadPoolExecutor(1) as pool:
        applying = pool.submit(apply)
        try:
            yield
        finally:
            over.set()
            applying.result()


class _Load:
    """Asks for jobs of all kinds, and deletes what they leave behind.

    Attributes:
        skipped_count: jobs that were not asked for, because too many others had not ended.
        failures: jobs that did not end well.
    """

    def __init__(self, client: Client, song_count: int) -> None:
        self.skipped_count = 0
        self.failures: list[str] = []
        self._client = client
        self._numbers = itertools.count()
        self._plan = wishes(1000, song_count, seed=1)
        self._running: set[Future[Outcome]] = set()

    def _next(self) -> Wish:
        number = next(self._numbers)
        return replace(self._plan[number % len(self._plan)], number=number, uploads=True, cancels=False)

    def _collect(self, timeout_seconds: float) -> int:
        """Wait for the end of a job, and return how many have ended."""
        done, self._running = wait(self._running, timeout_seconds, FIRST_COMPLETED)
        for future in done:
            outcome = future.result()
            if outcome.last["status"] != "completed" or outcome.problems:
                self.failures.append(f"{outcome.wish}: {outcome.last} {outcome.problems}")
        return len(done)

    def as_fast_as_possible(self, seconds: float) -> int:
        """Keep the stack busy. Return how many jobs ended in the given time."""
        count = 0
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            while (left := end - time.monotonic()) > 0:
                while len(self._running) < _AT_ONCE:
                    self._running.add(pool.submit(self._client.use_up, self._next()))
                count += self._collect(left)
        self._collect(0.0)
        return max(1, count)

    def paced(self, per_second: float, seconds: float) -> int:
        """Ask for jobs at random intervals with this mean rate. Return how many have ended when the last one has."""
        chance = random.Random(1)
        count = 0
        begin = due = time.monotonic()
        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            while due < begin + seconds:
                due += chance.expovariate(per_second)
                while (left := due - time.monotonic()) > 0:
                    if self._running:
                        count += self._collect(left)
                    else:
                        time.sleep(left)
                if len(self._running) < _MOST_AT_ONCE:
                    self._running.add(pool.submit(self._client.use_up, self._next()))
                else:
                    self.skipped_count += 1
        while self._running:
            count += self._collect(1.0)
        return count

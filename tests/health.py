"""How fast ``/health`` answers while something else happens.

``python tests/health.py URL`` asks until its standard input is closed.
"""

import contextlib
import json
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import httpx

_PAUSE_SECONDS = 0.2


@contextlib.contextmanager
def health_watched(base_url: str) -> Iterator[list[float]]:
    """Ask ``/health`` all the time, in a process of its own, so that the work of this one delays no answer.

    Yields:
        a list that holds after the block how many seconds each answer took; infinity stands for a failure.
    """
    seconds: list[float] = []
    command = [sys.executable, __file__, base_url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield seconds
        finally:
            answers, _ = process.communicate()
            seconds += json.loads(answers)


def summary(seconds: list[float]) -> str:
    """Return cells of a table: the number of answers, their median, 99th percentile and maximum in ms.

    Args:
        seconds: from :func:`health_watched`.
    """
    ordered = sorted(1000 * each for each in seconds)
    p99 = ordered[min(len(ordered) - 1, round(len(ordered) * 0.99))]
    return f"{len(ordered)} | {statistics.median(ordered):.0f} | {p99:.0f} | {ordered[-1]:.0f}"


def _ask(base_url: str) -> None:
    seconds: list[float] = []
    with httpx.Client(base_url=base_url, timeout=10) as client:
        while True:
            start = time.perf_counter()
            try:
                client.get("/health").raise_for_status()
                seconds.append(time.perf_counter() - start)
            except httpx.HTTPError as error:
                sys.stderr.write(f"/health: {error!r}\n")
                seconds.append(float("inf"))
            if len(seconds) == 1:
                sys.stdout.write("\n")
                sys.stdout.flush()
            if select.select([sys.stdin], [], [], _PAUSE_SECONDS)[0]:
                break
    json.dump(seconds, sys.stdout)


if __name__ == "__main__":
    _ask(sys.argv[1])

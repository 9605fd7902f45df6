"""Jobs, their arrivals and the order in which they start."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from services.library.jobs.order import RANKS, STARVATION_SECONDS
from services.library.jobs.service import Priority

__all__ = ["Queue", "SimulatedJob", "poisson"]


_RANK = {(rank.starving, rank.priority): index for index, rank in enumerate(RANKS)}


@dataclass(eq=False)
class SimulatedJob:
    """One job. Times are seconds since the start of the simulation.

    Attributes:
        seconds: how long a worker with a loaded model needs for the job.
        start: start of the latest attempt.
        starts: number of attempts, including those that a draining worker handed back.
    """

    arrival: float
    seconds: float
    priority: Priority = Priority.STANDARD
    starvation_seconds: float = STARVATION_SECONDS
    start: float | None = None
    end: float | None = None
    starts: int = 0

    @property
    def wait_seconds(self) -> float:
        assert self.start is not None
        return self.start - self.arrival


class Queue:
    """Jobs that wait. They start in the order of the library (``services/library/jobs/order.py``)."""

    def __init__(self) -> None:
        self._waiting: list[SimulatedJob] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, job: SimulatedJob) -> None:
        """Add a new job, or one that was handed back: it keeps its place."""
        self._waiting.append(job)

    def take(self, now: float) -> SimulatedJob | None:
        """Remove the job that starts next, and return it. None: no job waits."""
        if not self._waiting:
            return None
        job = min(self._waiting, key=lambda job: (_RANK[_starves(job, now), job.priority], job.arrival))
        self._waiting.remove(job)
        return job


def _starves(job: SimulatedJob, now: float) -> bool:
    return job.arrival + job.starvation_seconds < now


def poisson(gap_seconds: float, source: random.Random) -> Iterator[float]:
    """Yield the times of independent arrivals, without end."""
    now = 0.0
    while True:
        now += source.expovariate(1 / gap_seconds)
        yield now

"""The queue as people see it: who is at work, who comes next, and how long that takes.

A place is counted anew each time that somebody asks, by indexes; how long the jobs ahead take is worked out from what
lately finished and kept for a moment, since every waiting client asks several times a second.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, Protocol, TypeVar

from kit.identity import Principal
from kit.ports import Clock
from services.library.service import Job, JobState

__all__ = ["JobQueue", "Queue", "QueueStore"]

_LISTED_JOBS = 1000
_FORECAST_SECONDS = 1.0
_SPEED_SECONDS = 10.0
_MEASURED_JOBS = 20
_LOOK_BACK_SECONDS = 7 * 24 * 3600.0
# Of computing for a second of audio, as long as nothing was measured.
_UNMEASURED_SPEED = 1.0
# What is asked of these stands in the queue that everybody sees.
_PUBLIC_KINDS = ("generation",)

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Queue:
    """The unfinished jobs of a kind.

    Attributes:
        running: oldest start first.
        queued: in the order in which they are expected to start; at most 1000.
        estimated_wait_seconds: until a job that comes now would start.
    """

    running: list[Job]
    queued: list[Job]
    queued_count: int
    estimated_wait_seconds: float


class QueueStore(Protocol):
    async def running_jobs(self, kind: str, limit: int) -> list[Job]: ...
    async def queued_jobs(self, kind: str, limit: int) -> list[Job]: ...
    async def count_queued(self, kind: str) -> int: ...
    async def count_ahead(self, job: Job) -> int: ...
    async def latest_successes(self, kind: str, affinity: str, since: float, limit: int) -> list[Job]: ...


@dataclass(frozen=True)
class _Forecast:
    """How long things take, as it looked a moment ago.

    Attributes:
        ahead_seconds: of computing before the first, second, ... queued job of those that were listed, running ones
            included; one more than jobs.
        each_seconds: of computing that a queued job takes on average.
        worker_count: that share in it.
    """

    ahead_seconds: list[float]
    each_seconds: float
    worker_count: int

    def wait_seconds(self, ahead_count: int) -> float:
        """Until a job starts that so many queued ones come before."""
        listed_count = len(self.ahead_seconds) - 1
        listed = self.ahead_seconds[min(ahead_count, listed_count)]
        return (listed + max(0, ahead_count - listed_count) * self.each_seconds) / self.worker_count


class _Memory(Generic[K, V]):
    """Answers that hold for a while."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._answers: dict[K, tuple[float, V]] = {}

    async def get(self, key: K, ask: Callable[[], Awaitable[V]]) -> V:
        now = self._clock.now()
        known = self._answers.get(key)
        if known is None or not 0.0 <= now - known[0] < self._seconds:
            known = self._answers[key] = (now, await ask())
        return known[1]


class JobQueue:
    """Looks at the queue, for whoever asks."""

    def __init__(self, store: QueueStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._forecasts: _Memory[str, _Forecast] = _Memory(clock, _FORECAST_SECONDS)
        self._speeds: _Memory[tuple[str, str], float] = _Memory(clock, _SPEED_SECONDS)

    async def look(self, principal: Principal, kind: str) -> Queue:
        """All unfinished jobs of a kind. Of other people's jobs it shows what is everybody's business."""
        running, queued = await self._unfinished(kind)
        count = max(len(queued), await self._store.count_queued(kind))
        forecast = await self._forecast(running, queued)
        return Queue(
            running=[_shown_to(principal, job) for job in running],
            queued=[_shown_to(principal, job) for job in queued],
            queued_count=count,
            estimated_wait_seconds=forecast.wait_seconds(count),
        )

    async def place(self, job: Job) -> tuple[int, float]:
        """Position of a queued job among those of its kind, from 1, and in how many seconds it may start; else zeros."""
        if job.state is not JobState.QUEUED:
            return 0, 0.0
        ahead = await self._store.count_ahead(job)

        async def ask() -> _Forecast:
            return await self._forecast(*await self._unfinished(job.kind))

        forecast = await self._forecasts.get(job.kind, ask)
        return ahead + 1, forecast.wait_seconds(ahead)

    async def _unfinished(self, kind: str) -> tuple[list[Job], list[Job]]:
        running = await self._store.running_jobs(kind, _LISTED_JOBS)
        at_work = {job.id for job in running}  # one may begin between the two looks
        queued = await self._store.queued_jobs(kind, _LISTED_JOBS)
        return running, [job for job in queued if job.id not in at_work]

    async def _forecast(self, running: Sequence[Job], queued: Sequence[Job]) -> _Forecast:
        running_seconds = sum([(1.0 - job.progress_ratio) * await self._job_seconds(job) for job in running])
        ahead_seconds = list(accumulate([await self._job_seconds(job) for job in queued], initial=running_seconds))
        each_seconds = (ahead_seconds[-1] - running_seconds) / len(queued) if queued else 0.0
        return _Forecast(ahead_seconds, each_seconds, max(1, len(running)))

    async def _job_seconds(self, job: Job) -> float:
        async def measure() -> float:
            since = self._clock.now() - _LOOK_BACK_SECONDS
            latest = await self._store.latest_successes(job.kind, job.affinity, since, _MEASURED_JOBS)
            seconds = sum(done.finish_time - done.start_time for done in latest if done.finish_time and done.start_time)
            return seconds / sum(map(_work, latest)) if latest else _UNMEASURED_SPEED

        return _work(job) * await self._speeds.get((job.kind, job.affinity), measure)


def _work(job: Job) -> float:
    """In seconds of audio. Where no job of a kind says how much it is, each is one, and speed is time for a job."""
    return job.work_seconds or 1.0


def _shown_to(principal: Principal, job: Job) -> Job:
    if principal.is_service or principal.id == job.owner_id:
        return job
    is_public = job.kind in _PUBLIC_KINDS
    return dataclasses.replace(
        job,
        track_id="",
        spec_json=job.spec_json if is_public else "",
        progress_message=job.progress_message if is_public else "",
        command_subject="",
        correlation_id="",
        fingerprint="",
        idempotency_key=None,
        stages=[],
        error=None,
        outside_work=None,
        worker_id="",
    )

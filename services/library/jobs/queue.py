"""The public view of the queue: running and queued jobs, positions and estimated waits.

Positions are counted with indexes on each request. Estimates are derived from recently finished jobs and cached briefly,
because waiting clients poll several times a second. The wait assumes a speed for jobs that nothing was measured for; the
time until a job ends is unknown then.
"""

import dataclasses
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Generic, TypeVar

from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.service import BATCH, Job, JobState

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs

_LISTED_JOBS = 1000
_FORECAST_TTL_SECONDS = 1.0
_SPEED_TTL_SECONDS = 10.0
_MEASURED_JOBS = 20
_MEASURED_PERIOD_SECONDS = 7 * 24 * 3600.0
# Computing time in seconds per second of audio, if no job was measured.
_DEFAULT_SPEED = 1.0

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Queue:
    """The unfinished jobs of a kind.

    Attributes:
        running: in the order in which they started.
        queued: in the order in which they start; at most 1000.
        estimated_wait_seconds: estimated time until a job that is created now starts.
    """

    running: list[Job]
    queued: list[Job]
    queued_count: int
    estimated_wait_seconds: float


@dataclass(frozen=True)
class _Forecast:
    """An estimate of the computing time of running and queued jobs.

    Attributes:
        ahead_seconds: computing time before each listed queued job, including running jobs. The last entry is the
            computing time of all listed jobs.
        worker_count: number of jobs that run in parallel.
        measured_count: number of listed queued jobs, from the first on, whose time follows from measurements, as that of
            all jobs before them does.
    """

    ahead_seconds: list[float]
    mean_job_seconds: float
    worker_count: int
    measured_count: int

    def wait_seconds(self, ahead_count: int) -> float:
        """Return the estimated wait of a job with ``ahead_count`` queued jobs before it."""
        listed_count = len(self.ahead_seconds) - 1
        listed = self.ahead_seconds[min(ahead_count, listed_count)]
        return (listed + max(0, ahead_count - listed_count) * self.mean_job_seconds) / self.worker_count


class _TtlCache(Generic[K, V]):
    """A cache whose entries expire. None is computed again."""

    def __init__(self, clock: Clock, ttl_seconds: float) -> None:
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._entries: dict[K, tuple[float, V]] = {}

    async def get(self, key: K, compute: Callable[[], Awaitable[V]]) -> V:
        now = self._clock.now()
        entry = self._entries.get(key)
        if entry is None or entry[1] is None or not 0.0 <= now - entry[0] < self._ttl_seconds:
            entry = self._entries[key] = (now, await compute())
        return entry[1]


class JobQueue:
    """Returns the queue, positions and estimated waits."""

    def __init__(self, store: "JobDocs", clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._forecasts: _TtlCache[str, _Forecast] = _TtlCache(clock, _FORECAST_TTL_SECONDS)
        self._speeds: _TtlCache[tuple[str, str, int], float | None] = _TtlCache(clock, _SPEED_TTL_SECONDS)

    async def get(self, principal: Principal, kind: str) -> Queue:
        """Return the unfinished jobs of a kind. Private fields of other owners' jobs are empty."""
        running, queued = await self._unfinished(kind)
        count = max(len(queued), await self._store.count_queued(kind))
        forecast = await self._forecast(running, queued)
        return Queue(
            running=[_shown_to(principal, job) for job in running],
            queued=[_shown_to(principal, job) for job in queued],
            queued_count=count,
            estimated_wait_seconds=forecast.wait_seconds(count),
        )

    async def position(self, job: Job) -> tuple[int, float]:
        """Return the position of a queued job and its estimated wait in seconds; two zeros for any other job and for a batch.

        The position counts from 1 the queued jobs of the same kind in the order in which they start.
        """
        if job.state is not JobState.QUEUED or job.kind == BATCH:
            return 0, 0.0
        ahead = await self._store.count_ahead(job, self._clock.now())
        return ahead + 1, (await self._forecast_of(job.kind)).wait_seconds(ahead)

    async def seconds_left(self, job: Job, position: int) -> float | None:
        """Return the estimated time until a job ends, in seconds.

        It is None for a finished job, for a batch, and if no job of the same kind, model and about the same length has finished lately.
        For a queued job, this applies to all jobs before it, too.

        Args:
            position: the position of a queued job, from :meth:`position`.
        """
        if job.state.terminal or job.kind == BATCH:
            return None
        seconds = await self._measured_seconds(job)
        if seconds is None:
            return None
        if job.state is JobState.RUNNING:
            return (1.0 - job.progress_ratio) * seconds
        forecast = await self._forecast_of(job.kind)
        return forecast.wait_seconds(position - 1) + seconds if position - 1 <= forecast.measured_count else None

    async def _forecast_of(self, kind: str) -> _Forecast:
        async def compute() -> _Forecast:
            return await self._forecast(*await self._unfinished(kind))

        return await self._forecasts.get(kind, compute)

    async def _unfinished(self, kind: str) -> tuple[list[Job], list[Job]]:
        # In this order, a job that starts between the two queries is in both answers. In the other order, it is in none.
        queued = await self._store.queued_jobs(kind, self._clock.now(), _LISTED_JOBS)
        running = await self._store.running_jobs(kind, _LISTED_JOBS)
        running_ids = {job.id for job in running}
        return running, [job for job in queued if job.id not in running_ids]

    async def _forecast(self, running: Sequence[Job], queued: Sequence[Job]) -> _Forecast:
        running_seconds = sum([(1.0 - job.progress_ratio) * await self._job_seconds(job) for job in running])
        ahead_seconds = list(accumulate([await self._job_seconds(job) for job in queued], initial=running_seconds))
        mean_job_seconds = (ahead_seconds[-1] - running_seconds) / len(queued) if queued else 0.0
        measured = [await self._measured_seconds(job) is not None for job in (*running, *queued)]
        measured_count = [*measured, False].index(False) - len(running)
        return _Forecast(ahead_seconds, mean_job_seconds, max(1, len(running)), measured_count)

    async def _job_seconds(self, job: Job) -> float:
        measured = await self._measured_seconds(job)
        return _work(job) * _DEFAULT_SPEED if measured is None else measured

    async def _measured_seconds(self, job: Job) -> float | None:
        """Return how long a job takes at the speed of those that have finished lately, or None if there are none."""

        async def measure() -> float | None:
            since = self._clock.now() - _MEASURED_PERIOD_SECONDS
            latest = await self._store.latest_successes(job.kind, job.affinity, since, _MEASURED_JOBS)
            alike = [done for done in latest if abs(_length_class(done) - length_class) <= 1]
            seconds = sum(done.finish_time - done.start_time for done in alike if done.finish_time and done.start_time)
            return seconds / sum(map(_work, alike)) if alike else None

        length_class = _length_class(job)
        speed = await self._speeds.get((job.kind, job.affinity, length_class), measure)
        return None if speed is None else _work(job) * speed


def _work(job: Job) -> float:
    """Return the amount of work in seconds of audio, or 1 if it is unknown; then the speed is the time per job."""
    return job.work_seconds or 1.0


def _length_class(job: Job) -> int:
    """Return the logarithm of the work to the base 4. Jobs of adjacent classes are about equally fast for their length."""
    return round(math.log(_work(job), 4))


def _shown_to(principal: Principal, job: Job) -> Job:
    """Return the job without the fields that only its owner may see."""
    if principal.is_service or principal.id == job.owner_id:
        return job
    # With the ID, everybody could read the job of an anonymous owner.
    return dataclasses.replace(
        job,
        id=job.id if job.public_spec else "",
        owner_id=job.owner_id if job.public_spec else "",
        track_id="",
        spec=job.spec if job.public_spec else None,
        progress_message=job.progress_message if job.public_spec else "",
        output_folder="",
        queue="",
        correlation_id="",
        traceparent="",
        fingerprint="",
        idempotency_key=None,
        stages=[],
        error=None,
        external_task=None,
        worker_id="",
        batch_id="",
        batch=None,
    )

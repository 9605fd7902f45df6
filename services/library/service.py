"""The library's rules: who may see what, and the life of a job.

Every transition of a job is one compare-and-set of one document, so that of two workers, or of a worker and a user
who cancels, exactly one wins. What belongs to a finished job but lies in other documents (stems, an analysis) is filed
after it, and filed again by the sweeper if a crash came between.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import ANONYMOUS_PREFIX, Principal
from kit.ports import Clock

__all__ = [
    "Account",
    "Analysis",
    "AudioOutput",
    "Job",
    "JobError",
    "JobLedger",
    "JobResult",
    "JobState",
    "JobStore",
    "NewJob",
    "Priority",
    "Stage",
    "Track",
    "Tracks",
    "may_see",
]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Priority(StrEnum):
    """Order in which queued jobs start."""

    ADMIN = "admin"
    PREMIUM = "premium"
    STANDARD = "standard"
    FREE = "free"


_RANK = {Priority.ADMIN: 0, Priority.PREMIUM: 1, Priority.STANDARD: 2, Priority.FREE: 3}
_ENTITLEMENT = {
    "service": Priority.ADMIN,
    "super_admin": Priority.ADMIN,
    "platform_admin": Priority.ADMIN,
    "admin": Priority.ADMIN,
    "enterprise": Priority.PREMIUM,
    "pro": Priority.PREMIUM,
}


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    role: str
    status: str
    password_hash: str
    create_time: float
    revision: int = 0


@dataclass(frozen=True)
class Stage:
    """A named part of a job with its own times."""

    name: str
    processor_type: str
    state: JobState = JobState.QUEUED
    start_time: float | None = None
    finish_time: float | None = None
    error_message: str = ""


@dataclass(frozen=True)
class JobError:
    reason: str
    message: str


@dataclass(frozen=True)
class AudioOutput:
    """A stored audio file that a job made; for a separation, a stem."""

    id: str
    name: str
    blob_key: str
    content_type: str
    size_bytes: int
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    peak: float
    clipped_sample_count: int
    job_id: str
    track_id: str
    owner_id: str
    path: str
    create_time: float
    revision: int = 0


@dataclass(frozen=True)
class JobResult:
    engine: str
    model: str
    degraded: bool
    requested_model: str
    degraded_reason: str
    compute_seconds: float
    outputs: list[AudioOutput] = field(default_factory=list)
    values_json: str = ""
    features: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A durable unit of work. Times are seconds since 1970."""

    id: str
    kind: str
    owner_id: str
    track_id: str
    state: JobState
    priority: Priority
    spec_json: str
    attempt_limit: int
    command_subject: str
    correlation_id: str
    create_time: float
    fingerprint: str
    idempotency_key: str | None = None
    attempt: int = 0
    progress_ratio: float = 0.0
    progress_message: str = ""
    stages: list[Stage] = field(default_factory=list)
    result: JobResult | None = None
    error: JobError | None = None
    cancel_requested: bool = False
    worker_id: str = ""
    lease_until: float | None = None
    due_time: float | None = None  # queued: when it may start, and from when on its command counts as lost
    publication: int = 0
    unfiled: bool | None = None  # finished, but what belongs to it is not filed yet; None keeps it out of the index
    start_time: float | None = None
    finish_time: float | None = None
    revision: int = 0


@dataclass(frozen=True)
class Track:
    """A recording in somebody's library."""

    id: str
    owner_id: str
    title: str
    artist: str
    album: str
    source: str
    filename: str
    blob_key: str
    content_type: str
    content_sha256: str
    size_bytes: int
    container: str
    codec: str
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    duration_seconds: float
    warnings: list[str]
    create_time: float
    update_time: float
    revision: int = 0


@dataclass(frozen=True)
class Analysis:
    """The latest measurements of a track."""

    track_id: str
    job_id: str
    owner_id: str
    engine: str
    features: list[str]
    values_json: str
    create_time: float


@dataclass(frozen=True)
class NewJob:
    """What a caller asks for."""

    kind: str
    track_id: str
    spec_json: str
    attempt_limit: int
    command_subject: str
    correlation_id: str
    job_id: str = ""
    idempotency_key: str = ""
    fingerprint: str = ""
    priority: Priority | None = None
    stages: Sequence[Stage] = ()


class JobStore(Protocol):
    """What the ledger needs of the store."""

    async def insert_job(self, job: Job) -> None: ...
    async def job(self, job_id: str) -> Job | None: ...
    async def job_by_key(self, owner_id: str, idempotency_key: str) -> Job | None: ...
    async def replace_job(self, job: Job) -> bool: ...
    async def list_jobs(
        self, owner_id: str, kinds: Sequence[str], states: Sequence[str], track_id: str, offset: int, limit: int
    ) -> tuple[list[Job], int]: ...
    async def file_outputs(self, outputs: Sequence[AudioOutput]) -> None: ...
    async def file_analysis(self, analysis: Analysis) -> None: ...


class TrackStore(Protocol):
    async def insert_track(self, track: Track) -> None: ...
    async def track(self, track_id: str) -> Track | None: ...
    async def list_tracks(self, owner_id: str, offset: int, limit: int) -> tuple[list[Track], int]: ...
    async def output(self, output_id: str) -> AudioOutput | None: ...
    async def latest_separation(self, track_id: str) -> Job | None: ...
    async def analysis(self, track_id: str) -> Analysis | None: ...


def may_see(principal: Principal, owner_id: str) -> bool:
    """Owners see what is theirs, services all. What anonymous callers made is seen by whoever knows its random id."""
    return principal.is_service or principal.id == owner_id or owner_id.startswith(ANONYMOUS_PREFIX)


def _denied(what: str) -> AppError:
    return AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", f"This {what} belongs to somebody else.")


def _not_found(what: str) -> AppError:
    return AppError(
        Code.NOT_FOUND, f"{what.upper()}_NOT_FOUND", f"There is no such {what}. Check the id; it may have been deleted."
    )


def entitled(principal: Principal, wish: Priority | None) -> Priority:
    """The priority that the caller gets: the wish, capped by the role."""
    cap = _ENTITLEMENT.get(principal.role, Priority.STANDARD)
    if wish is None or _RANK[wish] < _RANK[cap]:
        return cap
    return wish


class JobLedger:
    """The life of jobs."""

    def __init__(self, store: JobStore, tracks: TrackStore, clock: Clock) -> None:
        self._store = store
        self._tracks = tracks
        self._clock = clock

    # ------------------------------------------------------------------------------------------------ for callers

    async def create(self, principal: Principal, new: NewJob) -> tuple[Job, bool]:
        """Store a job as queued, or find the one that the same key or id made before.

        Returns:
            The job, and whether it existed.

        Raises:
            AppError: ``IDEMPOTENCY_KEY_REUSED`` when the key was used for another request.
        """
        if new.track_id:
            track = await self._tracks.track(new.track_id)
            if track is None:
                raise _not_found("track")
            if not may_see(principal, track.owner_id):
                raise _denied("track")
        priority = entitled(principal, new.priority)
        now = self._clock.now()
        job = Job(
            id=new.job_id or str(uuid.uuid4()),
            kind=new.kind,
            owner_id=principal.id,
            track_id=new.track_id,
            state=JobState.QUEUED,
            priority=priority,
            spec_json=new.spec_json,
            attempt_limit=max(1, new.attempt_limit),
            command_subject=f"{new.command_subject}.{priority}",
            correlation_id=new.correlation_id,
            create_time=now,
            fingerprint=new.fingerprint or _fingerprint(new),
            idempotency_key=new.idempotency_key or None,
            stages=list(new.stages),
            due_time=now,
        )
        try:
            await self._store.insert_job(job)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            existing = await self._existing(principal, job)
            if existing is None:
                raise
            if existing.fingerprint != job.fingerprint:
                raise AppError(
                    Code.CONFLICT,
                    "IDEMPOTENCY_KEY_REUSED",
                    "This Idempotency-Key was used for another request. Use a new key for a new request.",
                ) from None
            return existing, True
        return job, False

    async def _existing(self, principal: Principal, job: Job) -> Job | None:
        if job.idempotency_key:
            found = await self._store.job_by_key(principal.id, job.idempotency_key)
            if found is not None:
                return found
        found = await self._store.job(job.id)
        return found if found is not None and found.owner_id == principal.id else None

    async def get(self, principal: Principal, job_id: str) -> Job:
        job = await self._store.job(job_id)
        if job is None:
            raise _not_found("job")
        if not may_see(principal, job.owner_id):
            raise _denied("job")
        return job

    async def list_jobs(
        self, principal: Principal, kinds: Sequence[str], states: Sequence[str], track_id: str, offset: int, limit: int
    ) -> tuple[list[Job], int]:
        return await self._store.list_jobs(principal.id, kinds, states, track_id, offset, limit)

    async def cancel(self, principal: Principal, job_id: str) -> Job:
        """End a queued job now; ask a running one to stop. An ended job cannot be cancelled."""

        def change(job: Job) -> Job:
            if not (principal.is_service or principal.id == job.owner_id):
                raise _denied("job")
            if job.state is JobState.QUEUED:
                return _ended(job, JobState.CANCELLED, self._clock.now(), JobError("CANCELLED", "cancelled"))
            if job.state is JobState.RUNNING:
                return dataclasses.replace(job, cancel_requested=True)
            if job.state is JobState.CANCELLED:
                return job
            raise AppError(Code.CONFLICT, "JOB_FINISHED", f"The job has {job.state} already and cannot be cancelled.")

        return await self._change(job_id, change)

    # ------------------------------------------------------------------------------------------------ for workers

    async def claim(self, job_id: str, worker_id: str, lease_seconds: float) -> tuple[Job, bool, float]:
        """Take the job for one attempt.

        Returns:
            The job; whether it is the caller's now; else after how many seconds to ask again, 0 for never.
        """
        now = self._clock.now()
        while True:
            job = await self._store.job(job_id)
            if job is None:
                raise _not_found("job")
            if job.state.terminal:
                return job, False, 0.0
            if job.state is JobState.RUNNING and (job.lease_until or 0.0) > now:
                return job, False, (job.lease_until or now) - now + 0.05
            if job.state is JobState.QUEUED and job.attempt and (job.due_time or 0.0) > now + 0.05:
                return job, False, (job.due_time or now) - now
            if job.cancel_requested or job.attempt >= job.attempt_limit:
                # Its worker died: with a wish to cancel pending, or too often to believe that it was chance.
                ended = (
                    _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))
                    if job.cancel_requested
                    else _ended(
                        job,
                        JobState.FAILED,
                        now,
                        job.error
                        or JobError("WORKER_LOST", f"The worker died {job.attempt} times while working on this job."),
                    )
                )
                if await self._store.replace_job(ended):
                    return ended, False, 0.0
                continue
            claimed = dataclasses.replace(
                job,
                state=JobState.RUNNING,
                attempt=job.attempt + 1,
                worker_id=worker_id,
                lease_until=now + lease_seconds,
                due_time=None,
                start_time=now,
                progress_ratio=0.0,
                progress_message="",
                stages=[
                    dataclasses.replace(s, state=JobState.QUEUED, start_time=None, finish_time=None, error_message="")
                    for s in job.stages
                ],
            )
            if await self._store.replace_job(claimed):
                return claimed, True, 0.0

    async def heartbeat(
        self, job_id: str, attempt: int, lease_seconds: float, ratio: float, message: str, stages: Sequence[Stage]
    ) -> bool:
        """Extend the lease and record progress; says whether the worker is asked to stop."""

        def change(job: Job) -> Job:
            return dataclasses.replace(
                job,
                lease_until=self._clock.now() + lease_seconds,
                progress_ratio=max(job.progress_ratio, min(1.0, ratio)),
                progress_message=message or job.progress_message,
                stages=list(stages) or job.stages,
            )

        return (await self._change(job_id, self._owned(attempt, change))).cancel_requested

    async def succeed(self, job_id: str, attempt: int, result: JobResult, stages: Sequence[Stage]) -> Job:
        """Store the result, once, and file what belongs to it."""

        def change(job: Job) -> Job:
            if job.state is JobState.SUCCEEDED and job.attempt == attempt:
                return job
            _require_attempt(job, attempt)
            now = self._clock.now()
            outputs = [
                dataclasses.replace(o, job_id=job.id, track_id=job.track_id, owner_id=job.owner_id, create_time=now)
                for o in result.outputs
            ]
            return dataclasses.replace(
                _ended(job, JobState.SUCCEEDED, now, None),
                result=dataclasses.replace(result, outputs=outputs),
                stages=list(stages) or job.stages,
                progress_ratio=1.0,
                unfiled=True,
            )

        return await self.file(await self._change(job_id, change))

    async def file(self, job: Job) -> Job:
        """Store what a finished job gave where it is looked up. Repeating it is harmless."""
        if not job.unfiled or job.result is None:
            return job
        if job.result.outputs:
            await self._store.file_outputs(job.result.outputs)
        if job.result.values_json:
            await self._store.file_analysis(
                Analysis(
                    track_id=job.track_id,
                    job_id=job.id,
                    owner_id=job.owner_id,
                    engine=job.result.engine,
                    features=job.result.features,
                    values_json=job.result.values_json,
                    create_time=job.finish_time or self._clock.now(),
                )
            )
        return await self._change(job.id, lambda current: dataclasses.replace(current, unfiled=None))

    async def fail(self, job_id: str, attempt: int, error: JobError, cancelled: bool, stages: Sequence[Stage]) -> Job:
        """End the job for good."""

        def change(job: Job) -> Job:
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                return job
            _require_attempt(job, attempt)
            state = JobState.CANCELLED if cancelled else JobState.FAILED
            told = dataclasses.replace(job, stages=list(stages) or job.stages)
            return _ended(told, state, self._clock.now(), JobError("CANCELLED", "cancelled") if cancelled else error)

        return await self._change(job_id, change)

    async def release(
        self, job_id: str, attempt: int, delay_seconds: float, error: JobError | None, refund_attempt: bool
    ) -> Job:
        """Give a job back after a failure that may pass; it fails for good when its attempts are spent."""

        def change(job: Job) -> Job:
            if job.state is not JobState.RUNNING or job.attempt != attempt:
                return job  # given back or taken over before
            now = self._clock.now()
            if job.cancel_requested:
                return _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))
            if error is not None and job.attempt >= job.attempt_limit:
                return _ended(job, JobState.FAILED, now, error)
            return dataclasses.replace(
                job,
                state=JobState.QUEUED,
                attempt_limit=job.attempt_limit + (1 if refund_attempt else 0),
                lease_until=None,
                worker_id="",
                due_time=now + max(0.0, delay_seconds),
                error=error or job.error,
            )

        return await self._change(job_id, change)

    async def republish(self, job: Job) -> Job:
        """Prepare a job whose command or worker was lost for another command: queued, and due from now on."""

        def change(current: Job) -> Job:
            if current.revision != job.revision:
                raise _stale()
            return dataclasses.replace(
                current,
                state=JobState.QUEUED,
                lease_until=None,
                worker_id="",
                due_time=self._clock.now(),
                publication=current.publication + 1,
            )

        return await self._change(job.id, change)

    def _owned(self, attempt: int, change: Callable[[Job], Job]) -> Callable[[Job], Job]:
        def checked(job: Job) -> Job:
            _require_attempt(job, attempt)
            return change(job)

        return checked

    async def _change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Read, change, compare-and-set; again if somebody came between."""
        while True:
            job = await self._store.job(job_id)
            if job is None:
                raise _not_found("job")
            changed = change(job)
            if changed == job:
                return job
            if await self._store.replace_job(changed):
                return dataclasses.replace(changed, revision=job.revision + 1)


def _ended(job: Job, state: JobState, now: float, error: JobError | None) -> Job:
    stages = [
        dataclasses.replace(s, state=JobState.FAILED, finish_time=now, error_message=error.message if error else "")
        if s.state is JobState.RUNNING
        else s
        for s in job.stages
    ]
    return dataclasses.replace(
        job, state=state, finish_time=now, lease_until=None, due_time=None, error=error, stages=stages
    )


def _require_attempt(job: Job, attempt: int) -> None:
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        raise _stale()


def _stale() -> AppError:
    return AppError(Code.STALE, "ATTEMPT_STALE", "Another attempt at this job has taken over.")


def _fingerprint(new: NewJob) -> str:
    return hashlib.sha256(json.dumps([new.kind, new.track_id, new.spec_json]).encode()).hexdigest()


class Tracks:
    """Recordings and what belongs to them."""

    def __init__(self, store: TrackStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, principal: Principal, track: Track) -> Track:
        now = self._clock.now()
        owned = dataclasses.replace(track, owner_id=principal.id, create_time=now, update_time=now)
        await self._store.insert_track(owned)
        return owned

    async def get(self, principal: Principal, track_id: str) -> Track:
        track = await self._store.track(track_id)
        if track is None:
            raise _not_found("track")
        if not may_see(principal, track.owner_id):
            raise _denied("track")
        return track

    async def list_tracks(self, principal: Principal, offset: int, limit: int) -> tuple[list[Track], int]:
        return await self._store.list_tracks(principal.id, offset, limit)

    async def stem(self, principal: Principal, stem_id: str) -> AudioOutput:
        output = await self._store.output(stem_id)
        if output is None:
            raise _not_found("stem")
        if not may_see(principal, output.owner_id):
            raise _denied("stem")
        return output

    async def stems(self, principal: Principal, track_id: str) -> list[AudioOutput]:
        """The stems of the track's latest finished separation; none if there is none."""
        await self.get(principal, track_id)
        job = await self._store.latest_separation(track_id)
        return list(job.result.outputs) if job is not None and job.result is not None else []

    async def analysis(self, principal: Principal, track_id: str) -> Analysis:
        await self.get(principal, track_id)
        analysis = await self._store.analysis(track_id)
        if analysis is None:
            raise AppError(
                Code.NOT_FOUND, "ANALYSIS_NOT_FOUND", "This track has not been analysed. Start an analysis first."
            )
        return analysis

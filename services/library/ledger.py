"""The life of a job.

Every transition of a job is one compare-and-set of one document, so that of two workers, or of a worker and a user
who cancels, exactly one wins. What belongs to a finished job but lies in other documents (stems, an analysis, a clip)
is filed after it, and filed again by the sweeper if a crash came between.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

from kit.errors import AppError, Code
from kit.identity import Principal
from kit.ports import Clock
from services.library.admission import AdmissionStore, Limits, NewJob, admit, queued, repeated
from services.library.catalog import Generation
from services.library.service import (
    Analysis,
    AudioOutput,
    Job,
    JobError,
    JobResult,
    JobState,
    OutsideWork,
    Stage,
    denied,
    made_for,
    may_see,
    not_found,
)
from services.library.tracks import TrackStore, note_result

__all__ = ["GenerationFiling", "JobLedger", "JobStore"]


_DOWNLOAD = "download"  # the one kind whose track comes into being with the job


class JobStore(AdmissionStore, Protocol):
    """What the ledger needs of the store."""

    async def insert_job(self, job: Job) -> None: ...
    async def job(self, job_id: str) -> Job | None: ...
    async def job_by_key(self, owner_id: str, idempotency_key: str) -> Job | None: ...
    async def replace_job(self, job: Job) -> bool: ...
    async def list_jobs(
        self,
        owner_id: str,
        kinds: Sequence[str],
        states: Sequence[str],
        track_id: str,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[list[Job], int]: ...
    async def file_outputs(self, outputs: Sequence[AudioOutput]) -> None: ...
    async def file_analysis(self, analysis: Analysis) -> None: ...
    async def remove_results(self, job: Job) -> None: ...


class GenerationFiling(Protocol):
    """The catalog of clips, as far as the ledger needs it."""

    async def file_generation(self, generation: Generation) -> None: ...


class JobLedger:
    """The life of jobs."""

    def __init__(self, store: JobStore, tracks: TrackStore, catalog: GenerationFiling, clock: Clock) -> None:
        self._store = store
        self._tracks = tracks
        self._catalog = catalog
        self._clock = clock
        self._admission = asyncio.Lock()

    # ------------------------------------------------------------------------------------------------ for callers

    async def create(self, principal: Principal, new: NewJob) -> tuple[Job, bool]:
        """Store a job as queued, or find the one that the same key or id made before.

        Jobs with limits are let in one after the other, so that what one was counted against holds when it is stored.
        That is so within this process: n libraries that share a store may exceed a limit by n - 1 at most.

        Returns:
            The job, and whether it existed.

        Raises:
            AppError: ``IDEMPOTENCY_KEY_REUSED`` when the key was used for another request; a refusal of :func:`admit`.
        """
        job = queued(principal, new, self._clock.now())
        if new.track_id and new.kind != _DOWNLOAD:
            track = await self._tracks.track(new.track_id)
            if track is None:
                raise not_found("track")
            if not may_see(principal, track.owner_id):
                raise denied("track")
            job = dataclasses.replace(job, track_create_time=track.create_time)
        if new.limits == Limits():
            return await self._insert(principal, job)
        async with self._admission:
            existing = await self._existing(principal, job)
            if existing is not None:
                return repeated(existing, job), True
            await admit(self._store, job, new.limits)
            return await self._insert(principal, job)

    async def _insert(self, principal: Principal, job: Job) -> tuple[Job, bool]:
        try:
            await self._store.insert_job(job)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            existing = await self._existing(principal, job)
            if existing is None:
                raise
            return repeated(existing, job), True
        if await self._orphaned(job):  # its track was deleted between the question above and the insert
            await self.cancel(principal, job.id)
            raise not_found("track")
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
            raise not_found("job")
        if not may_see(principal, job.owner_id):
            raise denied("job")
        # Whoever is told that it succeeded may ask for what it gave next, so that must be where it is looked up.
        return await self.file(job)

    async def list_jobs(
        self,
        principal: Principal,
        kinds: Sequence[str],
        states: Sequence[str],
        track_id: str,
        offset: int,
        limit: int,
        oldest_first: bool = False,
    ) -> tuple[list[Job], int]:
        return await self._store.list_jobs(principal.id, kinds, states, track_id, offset, limit, oldest_first)

    async def cancel(self, principal: Principal, job_id: str) -> Job:
        """End a queued job now; ask a running one to stop. An ended job cannot be cancelled."""

        def change(job: Job) -> Job:
            if not (principal.is_service or principal.id == job.owner_id):
                raise denied("job")
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
                raise not_found("job")
            if job.state.terminal:
                return job, False, 0.0
            if job.state is JobState.RUNNING and (job.lease_until or 0.0) > now:
                return job, False, (job.lease_until or now) - now + 0.05
            if job.state is JobState.QUEUED and job.attempt and (job.due_time or 0.0) > now + 0.05:
                return job, False, (job.due_time or now) - now
            cancelled = job.cancel_requested or await self._orphaned(job)
            if cancelled or job.attempt >= job.attempt_limit:
                # Its worker died: with a wish to cancel pending, or too often to believe that it was chance.
                ended = (
                    _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))
                    if cancelled
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
        self,
        job_id: str,
        attempt: int,
        lease_seconds: float,
        ratio: float,
        message: str,
        stages: Sequence[Stage],
        outside_work: OutsideWork | None = None,
    ) -> bool:
        """Extend the lease and record progress; says whether the worker is asked to stop."""

        def change(job: Job) -> Job:
            return dataclasses.replace(
                job,
                lease_until=self._clock.now() + lease_seconds,
                progress_ratio=max(job.progress_ratio, min(1.0, ratio)),
                progress_message=message or job.progress_message,
                stages=list(stages) or job.stages,
                outside_work=outside_work or job.outside_work,
            )

        return (await self._change(job_id, self._owned(attempt, change))).cancel_requested

    async def succeed(self, job_id: str, attempt: int, result: JobResult, stages: Sequence[Stage]) -> Job:
        """Store the result, once, and file what belongs to it. A job whose track was deleted is cancelled instead."""
        orphaned = await self._orphaned(await self._require(job_id))

        def change(job: Job) -> Job:
            if job.state is JobState.SUCCEEDED and job.attempt == attempt:
                return job
            _require_attempt(job, attempt)
            now = self._clock.now()
            if orphaned:
                return _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))
            outputs = [
                dataclasses.replace(o, job_id=job.id, track_id=job.track_id, owner_id=job.owner_id, create_time=now)
                for o in result.outputs
            ]
            return dataclasses.replace(
                _ended(job, JobState.SUCCEEDED, now, None),
                result=dataclasses.replace(result, outputs=outputs, generation=_clip(job, result.generation, now)),
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
        if job.result.generation is not None:
            await self._catalog.file_generation(job.result.generation)
        if await self._orphaned(job):
            await self._store.remove_results(job)
        elif job.track_id:
            await note_result(self._tracks, job)
        return await self._change(job.id, lambda current: dataclasses.replace(current, unfiled=None))

    async def fail(self, job_id: str, attempt: int, error: JobError, cancelled: bool, stages: Sequence[Stage]) -> Job:
        """End the job for good. Whatever went wrong after a wish to cancel, or after its track was deleted: it was
        cancelled."""
        gone = cancelled or await self._orphaned(await self._require(job_id))

        def change(job: Job) -> Job:
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                return job
            _require_attempt(job, attempt)
            unwanted = gone or job.cancel_requested
            state = JobState.CANCELLED if unwanted else JobState.FAILED
            told = dataclasses.replace(job, stages=list(stages) or job.stages)
            return _ended(told, state, self._clock.now(), JobError("CANCELLED", "cancelled") if unwanted else error)

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

    async def _orphaned(self, job: Job) -> bool:
        """Whether the track that it is for was deleted; another one may have the same id by now."""
        if not job.track_id or job.kind == _DOWNLOAD:
            return False
        track = await self._tracks.track(job.track_id)
        return track is None or not made_for(job, track)

    async def _require(self, job_id: str) -> Job:
        job = await self._store.job(job_id)
        if job is None:
            raise not_found("job")
        return job

    async def _change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Read, change, compare-and-set; again if somebody came between."""
        while True:
            job = await self._require(job_id)
            changed = change(job)
            if changed == job:
                return job
            if await self._store.replace_job(changed):
                return dataclasses.replace(changed, revision=job.revision + 1)


def _clip(job: Job, generation: Generation | None, now: float) -> Generation | None:
    """What a worker made, with what the ledger knows better."""
    if generation is None:
        return None
    return dataclasses.replace(generation, id=job.id, owner_id=job.owner_id, priority=job.priority, create_time=now)


def _ended(job: Job, state: JobState, now: float, error: JobError | None) -> Job:
    stages = [
        dataclasses.replace(s, state=JobState.FAILED, finish_time=now, error_message=error.message if error else "")
        if s.state is JobState.RUNNING
        else s
        for s in job.stages
    ]
    return dataclasses.replace(
        job, state=state, finish_time=now, lease_until=None, due_time=None, error=error, stages=stages, untold=True
    )


def _require_attempt(job: Job, attempt: int) -> None:
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        raise _stale()


def _stale() -> AppError:
    return AppError(Code.STALE, "ATTEMPT_STALE", "Another attempt at this job has taken over.")

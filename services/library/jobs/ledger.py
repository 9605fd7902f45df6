"""The life cycle of jobs.

Every state transition is one compare-and-set of one document. So if two workers, or a worker and a user who cancels,
change a job at the same time, exactly one of them succeeds. Results in other documents (stems, an analysis, a clip) are
stored afterwards; the sweeper repeats this after a crash.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Clock
from kit.security.identity import Principal
from services.library.access import audio_not_ready, denied, may_see, not_found, owns
from services.library.jobs.admission import AdmissionStore, Limits, NewJob, queued, release, repeated, reserve
from services.library.jobs.batches import NewBatch, new_batch, planned_jobs, require_batch, summarized
from services.library.jobs.order import queue_of
from services.library.jobs.service import AudioOutput, ExternalTask, Job, JobError, JobResult, JobState, Stage
from services.library.storage.service import NO_QUOTA, Reservations

__all__ = ["JobLedger", "JobStore", "JobTrack", "ResultStore"]

# A command that comes before a lease has ended is delivered again this much after the end.
_LEASE_MARGIN_SECONDS = 0.05
# A command whose job changed while the ledger looked for it is delivered again after this time.
_CHANGED_SECONDS = 1.0
# While other processes create jobs of the same kind, try again at this interval, for this time.
_CONFLICT_SECONDS = 0.01
_RESERVATION_WAIT_SECONDS = 5.0
log = get_logger()


class JobStore(AdmissionStore, Protocol):
    """The queries that the ledger needs."""

    async def insert_job(self, job: Job) -> None: ...
    async def job(self, job_id: str) -> Job | None: ...
    async def job_by_key(self, owner_id: str, idempotency_key: str) -> Job | None: ...
    async def replace_job(self, job: Job) -> bool: ...
    async def count_unfinished_of(self, job_ids: Sequence[str]) -> int: ...
    async def job_started_by(self, command_id: str) -> Job | None: ...
    async def next_job(self, queue: str, now: float) -> Job | None: ...
    async def next_change_time(self, queue: str) -> float | None: ...
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


class JobTrack(Protocol):
    """The attributes of a track that the ledger needs."""

    @property
    def owner_id(self) -> str: ...
    @property
    def create_time(self) -> float: ...
    @property
    def blob_key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def duration_seconds(self) -> float: ...


class ResultStore(Protocol):
    """Stores tracks and results of jobs in other parts of the library."""

    async def track(self, track_id: str) -> JobTrack | None: ...

    async def store_track(self, job: Job) -> JobTrack:
        """Store the track that a job creates, without audio, and return it. Repeated calls are safe."""
        ...

    async def store_results(self, job: Job) -> None:
        """Store the results of a succeeded job in track and catalog. Repeated calls are safe."""
        ...

    async def remove_results(self, job: Job) -> None:
        """Remove what :meth:`store_results` stored for a job. Repeated calls are safe."""
        ...


class JobLedger:
    """Creates jobs and changes their states."""

    def __init__(self, store: JobStore, results: ResultStore, clock: Clock, storage: Reservations = NO_QUOTA) -> None:
        self._store = store
        self._results = results
        self._clock = clock
        self._storage = storage
        self._admission = asyncio.Lock()  # within a process, waiting is cheaper than repeating a compare-and-set

    # ------------------------------------------------------------------------------------------------ for callers

    async def create(self, principal: Principal, new: NewJob) -> tuple[Job, bool]:
        """Store a queued job, or return the existing job with the same idempotency key or ID.

        Returns:
            The job, and whether it existed.

        Raises:
            AppError: ``IDEMPOTENCY_KEY_REUSED`` if the key was used for another request; ``TRACK_NOT_FOUND``,
                ``ACCESS_DENIED``, ``AUDIO_NOT_READY``; ``QUOTA_EXCEEDED`` if the job stores files; the errors of
                :meth:`_reserve`.
        """
        job = await self._checked(principal, new)
        if job.output_folder or job.creates_track:
            try:
                await self._storage.require_room(job.owner_id)
            except AppError:
                existing = await self._existing(principal, job)
                if existing is None:
                    raise
                return await self._store_track(repeated(existing, job)), True
        if new.limits == Limits():
            return await self._insert(principal, job)
        async with self._admission:
            existing = await self._reserve(principal, job, [job], new.limits)
            if existing is None:
                inserted, existed = await self._insert(principal, job)
                if existed:  # another process stored a job with this key first
                    await release(self._store, [job])
                return inserted, existed
        return await self._store_track(repeated(existing, job)), True

    async def create_batch(self, principal: Principal, new: NewBatch) -> tuple[Job, list[Job], bool]:
        """Store a batch and its jobs, all or none, or return the existing batch with the same idempotency key or ID.

        The batch is accepted once its record is stored, which holds the jobs. They are stored next. If the process dies in
        between, :meth:`repair_batch` stores them.

        Returns:
            The batch, its jobs, and whether it existed.

        Raises:
            AppError: ``BATCH_INVALID``; the errors of :meth:`create`.
        """
        require_batch(new)
        jobs = [await self._checked(principal, each) for each in new.jobs]
        record = new_batch(principal, new, jobs, self._clock.now())
        existing = await self._existing(principal, record)
        if existing is None and any(job.output_folder for job in jobs):
            await self._storage.require_room(record.owner_id)
        limits = new.jobs[0].limits
        async with self._admission:
            if existing is None and limits != Limits():
                existing = await self._reserve(principal, record, jobs, limits)
            if existing is None:
                try:
                    await self._store.insert_job(record)
                except AppError as error:
                    if error.reason != "DOC_EXISTS":
                        raise
                    existing = await self._existing(principal, record)
                    if existing is None:
                        raise
                    await release(self._store, jobs)  # another process stored a batch with this key first
        existed = existing is not None
        if existing is not None:
            record = repeated(existing, record)
        settled = await self._settled(record.id)
        assert settled.batch is not None
        return settled, await self._jobs_of(settled), existed

    async def _checked(self, principal: Principal, new: NewJob) -> Job:
        """Return the job of a request whose track has the audio that the job needs."""
        job = queued(principal, new, self._clock.now())
        if not new.track_id:
            return job
        track = await self._results.track(new.track_id)
        if track is not None and not may_see(principal, track.owner_id):
            raise denied("track")
        if new.creates_track:
            return job
        if track is None:
            raise not_found("track")
        if not track.blob_key:
            raise audio_not_ready()
        return dataclasses.replace(
            job, track_create_time=track.create_time, work_seconds=job.work_seconds or track.duration_seconds
        )

    async def _reserve(self, principal: Principal, job: Job, places: Sequence[Job], limits: Limits) -> Job | None:
        """Reserve the places of a job or a batch with limits. If one with its idempotency key or ID exists, return that one.

        Args:
            places: the job itself, or the jobs of the batch.

        Raises:
            AppError: the errors of :func:`reserve`; ``SERVICE_UNAVAILABLE`` if a process died while it held the last place.
        """
        give_up_time = time.monotonic() + _RESERVATION_WAIT_SECONDS
        while (existing := await self._existing(principal, job)) is None:
            try:
                if await reserve(self._store, places, limits, self._clock.now()):
                    return None
            except AppError:
                if existing := await self._existing(principal, job):  # the same request has just taken the last place
                    return existing
                raise
            if time.monotonic() > give_up_time:
                raise AppError(
                    Code.UNAVAILABLE, "SERVICE_UNAVAILABLE", "The job could not be created now. Try again in a minute."
                )
            await asyncio.sleep(_CONFLICT_SECONDS)
        return existing

    async def _insert(self, principal: Principal, job: Job) -> tuple[Job, bool]:
        try:
            await self._store.insert_job(job)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise
            existing = await self._existing(principal, job)
            if existing is None:
                raise
            return await self._store_track(repeated(existing, job)), True
        job = await self._store_track(job)
        if await self._orphaned(job):  # its track was deleted after the check in create
            await self.cancel(principal, job.id)
            raise not_found("track")
        return job, False

    async def _store_track(self, job: Job) -> Job:
        """Store the track that a job creates, unless it is stored already."""
        if not job.creates_track or not job.track_id or job.track_create_time is not None or job.state.terminal:
            return job
        track = await self._results.store_track(job)
        return await self._change(
            job.id, lambda current: dataclasses.replace(current, track_create_time=track.create_time)
        )

    async def _existing(self, principal: Principal, job: Job) -> Job | None:
        if job.idempotency_key:
            found = await self._store.job_by_key(principal.id, job.idempotency_key)
            if found is not None:
                return found
        found = await self._store.job(job.id)
        return found if found is not None and found.owner_id == principal.id else None

    async def get(self, principal: Principal, job_id: str) -> Job:
        """Return a job.

        Raises:
            AppError: ``JOB_NOT_FOUND``, ``ACCESS_DENIED``.
        """
        job = await self._store.job(job_id)
        if job is None:
            raise not_found("job")
        if not may_see(principal, job.owner_id):
            raise denied("job")
        if job.batch is not None:
            return await self._settled(job.id)
        # A caller may next ask for the track or the results of the job, so they must be stored where they are looked up.
        return await self.store_results(await self._store_track(job))

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
        """Return a page of the caller's jobs, and the number of all matching jobs."""
        jobs, total = await self._store.list_jobs(principal.id, kinds, states, track_id, offset, limit, oldest_first)
        return [job if job.batch is None or job.state.terminal else await self._settled(job.id) for job in jobs], total

    async def track_title(self, principal: Principal, job: Job) -> str:
        """Return the title of the track of a job; empty if it has none, or the caller may not see the track."""
        track = await self._results.track(job.track_id) if job.track_id else None
        return track.title if track is not None and may_see(principal, track.owner_id) else ""

    async def cancel(self, principal: Principal, job_id: str, *, of_anyone: bool = False) -> Job:
        """End a queued job now, or request a running one to stop. With a batch, do so with each of its jobs.

        Args:
            of_anyone: the caller is an administrator, and may cancel the jobs of others.

        Raises:
            AppError: ``JOB_FINISHED``, ``JOB_NOT_FOUND``, ``ACCESS_DENIED``.
        """

        def change(job: Job) -> Job:
            if not (of_anyone or principal.is_service or owns(principal, job.owner_id, job.creator_key)):
                raise denied("job")
            return self._cancelled(job)

        job = await self._change(job_id, change)
        return job if job.batch is None else await self._settled(job.id)

    def _cancelled(self, job: Job) -> Job:
        if job.state is JobState.QUEUED and job.batch is None:
            return _ended(job, JobState.CANCELLED, self._clock.now(), JobError("CANCELLED", "cancelled"))
        if not job.state.terminal:
            return dataclasses.replace(job, cancel_requested=True)
        if job.state is JobState.CANCELLED:
            return job
        raise AppError(Code.CONFLICT, "JOB_FINISHED", f"The job has {job.state} already and cannot be cancelled.")

    # ------------------------------------------------------------------------------------------------ batches

    async def repair_batch(self, record: Job) -> bool:
        """Complete what a crash has interrupted. Return whether the batch lacked jobs or its end."""
        assert record.batch is not None
        lacking = bool(record.batch.planned) or not await self._store.count_unfinished_of(record.batch.job_ids)
        if lacking or record.cancel_requested:
            await self._settled(record.id)
        return lacking

    async def _settled(self, batch_id: str) -> Job:
        """Do what is left to do for a batch: store its jobs, cancel them if it was cancelled, and end it after the last one.

        Every step may be repeated, also by several processes. The end is one compare-and-set.

        Returns:
            The batch with the state of its jobs.
        """
        while True:
            record = await self._require(batch_id)
            if planned := planned_jobs(record):
                await asyncio.gather(*(self._insert_planned(job) for job in planned))
                await self._change(batch_id, _without_plan)
                continue
            jobs = await self._jobs_of(record)
            if record.cancel_requested and not record.state.terminal:
                waiting = [job for job in jobs if not (job.state.terminal or job.cancel_requested)]
                for job in waiting:
                    await self._cancel_job_of_batch(job.id)
                jobs = await self._jobs_of(record) if waiting else jobs
            summary = summarized(record, jobs, self._clock.now())
            if summary.state is record.state or await self._store.replace_job(_without_jobs(summary)):
                return summary

    async def _insert_planned(self, job: Job) -> None:
        try:
            await self._store.insert_job(job)
        except AppError as error:
            if error.reason != "DOC_EXISTS":
                raise

    async def _cancel_job_of_batch(self, job_id: str) -> None:
        try:
            await self._change_only(job_id, self._cancelled)
        except AppError as error:
            if error.reason != "JOB_FINISHED":
                raise

    async def _jobs_of(self, record: Job) -> list[Job]:
        """Return the stored jobs of a batch, in the order of the request."""
        job_ids = record.batch.job_ids if record.batch is not None else []
        stored = {job.id: job for job in await self._store.jobs_by_id(job_ids)}
        return [stored[job_id] for job_id in job_ids if job_id in stored]

    async def _settle_batch_of(self, job: Job) -> None:
        """Settle the batch of a job that has started or ended. If this fails, the sweeper does it."""
        if not job.batch_id:
            return
        try:
            await self._settled(job.batch_id)
        except AppError as error:  # for example, the record of the batch was deleted
            log.warning("batch.not_settled", job_id=job.batch_id, reason=error.reason)

    # ------------------------------------------------------------------------------------------------ for workers

    async def claim(
        self, named_job_id: str, worker_id: str, lease_seconds: float, publication: int = 0
    ) -> tuple[Job, bool, float]:
        """Claim the next job of a queue for one attempt.

        A command is a permit to run one job of its queue. The ledger chooses that job, so that jobs start in the order
        of :mod:`services.library.jobs.order` in whatever order the broker delivers commands. Each unfinished job has
        one command, and each command is acknowledged when the job that it started ends.

        Args:
            named_job_id: the job that the command names.
            publication: the publication number of the command. The sweeper publishes another command that names a job if
                the one before was lost, or has started another job. Each is a permit of its own.

        Returns:
            A job, whether it is claimed, and else after how many seconds to deliver the command again. 0 seconds: the
            command is done, and the job is the ended job that it stands for.

        Raises:
            AppError: ``JOB_NOT_FOUND``.
        """
        command_id = f"{named_job_id}.{publication}"
        while True:
            now = self._clock.now()
            named = await self._require(named_job_id)
            started = await self._store.job_started_by(command_id)
            if started is None and named.command_id is None:
                started = named
            if started is not None and started.state.terminal:
                return started, False, 0.0
            if started is not None and started.state is JobState.RUNNING and (started.lease_until or 0.0) > now:
                if started.command_id == command_id and started.worker_id == worker_id:
                    return started, True, 0.0  # the call is repeated because its answer was lost
                return started, False, (started.lease_until or now) - now + _LEASE_MARGIN_SECONDS
            queue = queue_of(named.command_subject)
            job = await self._store.next_job(queue, now)
            if job is None:
                change_time = await self._store.next_change_time(queue)
                if change_time is not None:
                    return named, False, max(_LEASE_MARGIN_SECONDS, change_time - now)
                return named, False, 0.0 if named.state.terminal else _CHANGED_SECONDS
            job = await self._store_track(job)
            attempted = await self._attempted(job, now, worker_id, lease_seconds)
            claimed = dataclasses.replace(attempted, command_id=command_id)
            if await self._store.replace_job(claimed):
                await self._settle_batch_of(claimed)
                return claimed, not claimed.state.terminal, 0.0

    async def _attempted(self, job: Job, now: float, worker_id: str, lease_seconds: float) -> Job:
        """Return the job with a new attempt, or ended if it was cancelled or has no attempts left."""
        if job.cancel_requested or await self._orphaned(job):
            return _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))
        if job.attempt >= job.attempt_limit:
            lost = JobError(
                "WORKER_LOST",
                f"The worker died {job.attempt} times while working on this job. Start it again. If it dies again, the job "
                "needs more memory than the server has.",
            )
            return _ended(job, JobState.FAILED, now, job.error or lost)
        return dataclasses.replace(
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

    async def heartbeat(
        self,
        job_id: str,
        attempt: int,
        lease_seconds: float,
        ratio: float,
        message: str,
        stages: Sequence[Stage],
        external_task: ExternalTask | None = None,
    ) -> bool:
        """Extend the lease and record progress. Return whether the worker must stop."""

        def change(job: Job) -> Job:
            return dataclasses.replace(
                job,
                lease_until=self._clock.now() + lease_seconds,
                progress_ratio=max(job.progress_ratio, min(1.0, ratio)),
                progress_message=message or job.progress_message,
                stages=list(stages) or job.stages,
                external_task=external_task or job.external_task,
            )

        return (await self._change(job_id, self._owned(attempt, change))).cancel_requested

    async def reserve_storage(self, job_id: str, attempt: int, size_bytes: int) -> None:
        """Reserve space for all files of an attempt, before it stores them. The reservation ends with the attempt.

        Raises:
            AppError: ``QUOTA_EXCEEDED``; ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        job = await self._require(job_id)
        _require_attempt(job, attempt)
        await self._storage.reserve(job.owner_id, _reservation_id(job), size_bytes)

    async def forget_files(self, job_id: str) -> None:
        """Record that the files of a job were deleted, and remove its results. A job that does not exist is ignored."""
        job = await self._store.job(job_id)
        if job is not None:
            await self._results.remove_results(job)
            await self._change(job_id, lambda job: dataclasses.replace(job, stored_bytes=None))

    async def succeed(
        self, job_id: str, attempt: int, result: JobResult, stages: Sequence[Stage], stored_bytes: int = 0
    ) -> Job:
        """Store the result once. A job whose track was deleted is cancelled instead.

        Args:
            stored_bytes: size of all files that the attempt has stored.

        Raises:
            AppError: ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        orphaned = await self._orphaned(await self._require(job_id))

        def change(job: Job) -> Job:
            if job.state is JobState.SUCCEEDED and job.attempt == attempt:
                return job
            _require_attempt(job, attempt)
            now = self._clock.now()
            if orphaned:
                return _ended(job, JobState.CANCELLED, now, JobError("CANCELLED", "cancelled"))

            def filed(output: AudioOutput) -> AudioOutput:
                return dataclasses.replace(
                    output, job_id=job.id, track_id=job.track_id, owner_id=job.owner_id, create_time=now
                )

            outputs, mix = [filed(output) for output in result.outputs], result.mix and filed(result.mix)
            return dataclasses.replace(
                _ended(job, JobState.SUCCEEDED, now, None),
                result=dataclasses.replace(result, outputs=outputs, mix=mix),
                stages=list(stages) or job.stages,
                progress_ratio=1.0,
                results_pending=True,
                stored_bytes=stored_bytes or None,
            )

        return await self.store_results(await self._change(job_id, change))

    async def store_results(self, job: Job) -> Job:
        """Store the results of a succeeded job in track and catalog, unless they are stored already."""
        if not job.results_pending or job.result is None:
            return job
        await self._results.store_results(job)
        if await self._orphaned(job):
            await self._results.remove_results(job)
        return await self._change(job.id, lambda current: dataclasses.replace(current, results_pending=None))

    async def fail(self, job_id: str, attempt: int, error: JobError, cancelled: bool, stages: Sequence[Stage]) -> Job:
        """End the job as failed, or as cancelled if a cancellation was requested or its track was deleted.

        Raises:
            AppError: ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        orphaned = cancelled or await self._orphaned(await self._require(job_id))

        def change(job: Job) -> Job:
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                return job
            _require_attempt(job, attempt)
            is_cancelled = orphaned or job.cancel_requested
            state = JobState.CANCELLED if is_cancelled else JobState.FAILED
            updated = dataclasses.replace(job, stages=list(stages) or job.stages)
            return _ended(
                updated, state, self._clock.now(), JobError("CANCELLED", "cancelled") if is_cancelled else error
            )

        return await self._change(job_id, change)

    async def release(
        self, job_id: str, attempt: int, delay_seconds: float, error: JobError | None, refund_attempt: bool
    ) -> Job:
        """Return a job to the queue after a transient failure. Without attempts left, the job fails."""

        def change(job: Job) -> Job:
            if job.state is not JobState.RUNNING or job.attempt != attempt:
                return job  # already released, or claimed by another worker
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
        """Queue a job again whose command or worker was lost, so that its command can be published again."""

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
        """Return whether the track of the job was deleted. Another track may have its ID now."""
        if not job.track_id or (job.creates_track and job.track_create_time is None):
            return False
        track = await self._results.track(job.track_id)
        return track is None or not job.is_for_track(track.create_time)

    async def _require(self, job_id: str) -> Job:
        job = await self._store.job(job_id)
        if job is None:
            raise not_found("job")
        return job

    async def _change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Change a job by compare-and-set. Retry if another writer has changed it. The end of a job can end its batch."""
        job, changed = await self._change_only(job_id, change)
        if changed.state.terminal and not job.state.terminal:
            await self._settle_batch_of(changed)
        return changed

    async def _change_only(self, job_id: str, change: Callable[[Job], Job]) -> tuple[Job, Job]:
        """Change a job, and return it before and after that."""
        while True:
            job = await self._require(job_id)
            changed = change(job)
            if changed == job:
                return job, job
            if await self._store.replace_job(changed):
                if job.state is JobState.RUNNING and changed.state is not JobState.RUNNING:
                    await self._storage.release(job.owner_id, _reservation_id(job))
                return job, dataclasses.replace(changed, revision=job.revision + 1)


def _ended(job: Job, state: JobState, now: float, error: JobError | None) -> Job:
    stages = [
        dataclasses.replace(s, state=JobState.FAILED, finish_time=now, error_message=error.message if error else "")
        if s.state is JobState.RUNNING
        else s
        for s in job.stages
    ]
    return dataclasses.replace(
        job,
        state=state,
        finish_time=now,
        lease_until=None,
        due_time=None,
        error=error,
        stages=stages,
        webhooks_pending=True,
    )


def _without_plan(record: Job) -> Job:
    """Return a batch whose jobs are stored."""
    assert record.batch is not None
    return dataclasses.replace(record, batch=dataclasses.replace(record.batch, planned=[]))


def _without_jobs(record: Job) -> Job:
    """Return a batch as it is stored: what is said of its jobs is in their own records."""
    assert record.batch is not None
    return dataclasses.replace(record, batch=dataclasses.replace(record.batch, jobs=[]))


def _reservation_id(job: Job) -> str:
    """Return the ID of the reservation for the files of a job. A download stores the file of its track."""
    return job.track_id if job.creates_track else job.id


def _require_attempt(job: Job, attempt: int) -> None:
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        raise _stale()


def _stale() -> AppError:
    return AppError(Code.STALE, "ATTEMPT_STALE", "Another attempt at this job has replaced this one.")

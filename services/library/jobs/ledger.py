"""The life cycle of jobs.

Every state transition is one compare-and-set of one document. So if two workers, or a worker and a user who cancels,
change a job at the same time, exactly one of them succeeds. Results in other documents (stems, an analysis, a clip) are
stored afterwards; the sweeper repeats this after a crash.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from soundwright.kit import errors
from soundwright.kit.errors import suppressed
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import ANONYMOUS_PREFIX, Principal
from soundwright.services.library.access import listed_creator, may_see, owns
from soundwright.services.library.documents import inserted
from soundwright.services.library.jobs import transitions
from soundwright.services.library.jobs.batches import planned_jobs, summarized
from soundwright.services.library.jobs.service import Job, JobState
from soundwright.services.library.paging import Page, PageRequest
from soundwright.services.library.storage.service import Storage

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs


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
    """Reads jobs, cancels them, and applies transitions to them.

    :class:`~soundwright.services.library.jobs.creation.JobCreation` and :class:`~soundwright.services.library.jobs.attempts.JobAttempts` build on it.
    """

    def __init__(self, store: "JobDocs", results: ResultStore, clock: Clock, storage: Storage) -> None:
        self._store = store
        self._results = results
        self._clock = clock
        self._storage = storage

    async def store_track(self, job: Job) -> Job:
        """Store the track that a job creates, unless it is stored already."""
        if not job.creates_track or not job.track_id or job.track_create_time is not None or job.state.terminal:
            return job
        track = await self._results.store_track(job)
        return await self.change(
            job.id, lambda current: dataclasses.replace(current, track_create_time=track.create_time)
        )

    async def track(self, track_id: str) -> JobTrack | None:
        return await self._results.track(track_id)

    async def get(self, principal: Principal, job_id: str) -> Job:
        """Return a job. Raises ``JOB_NOT_FOUND``, ``ACCESS_DENIED``."""
        job = await self._store.get(job_id)
        if job is None:
            raise errors.JOB_NOT_FOUND()
        if not may_see(principal, job.owner_id):
            raise errors.ACCESS_DENIED(what="job")
        if job.batch is not None:
            return await self.advance_batch(job.id)
        # A caller may next ask for the track or the results of the job, so they must be stored where they are looked up.
        return await self.store_results(await self.store_track(job))

    async def list_jobs(
        self,
        principal: Principal,
        kinds: Sequence[str],
        states: Sequence[str],
        track_id: str,
        asked: PageRequest,
        oldest_first: bool = False,
    ) -> Page[Job]:
        creator_key = listed_creator(principal)
        page = await self._store.list_jobs(principal.id, kinds, states, track_id, asked, oldest_first, creator_key)
        jobs = [
            job if job.batch is None or job.state.terminal else await self.advance_batch(job.id) for job in page.entries
        ]
        return page.map(lambda _: jobs)

    async def track_title(self, principal: Principal, job: Job) -> str:
        """Return the title of the track of a job; empty if it has none, or the caller may not see the track."""
        track = await self.track(job.track_id) if job.track_id else None
        return track.title if track is not None and may_see(principal, track.owner_id) else ""

    async def cancel(self, principal: Principal, job_id: str, *, of_anyone: bool = False) -> Job:
        """End a queued job now, or request a running one to stop. With a batch, do so with each of its jobs.

        Args:
            of_anyone: the caller is an administrator, and may cancel the jobs of others.

        Raises ``JOB_FINISHED``, ``JOB_NOT_FOUND``, ``ACCESS_DENIED``.
        """

        def change(job: Job) -> Job:
            own = owns(principal, job.owner_id, job.creator_key)
            # The contract lets clients without cookies cancel by name. So the name is enough in the network of the creator.
            named = principal.id == job.owner_id and principal.id.startswith(ANONYMOUS_PREFIX)
            own = own or (named and job.network is not None and principal.network == job.network)
            if not (of_anyone or principal.is_service or own):
                raise errors.ACCESS_DENIED(what="job")
            return transitions.cancelled(job, self._clock.now())

        job = await self.change(job_id, change)
        return job if job.batch is None else await self.advance_batch(job.id)

    # ------------------------------------------------------------------------------------------------ batches

    async def repair_batch(self, record: Job) -> bool:
        """Complete what a crash has interrupted. Return whether the batch lacked jobs or its end."""
        assert record.batch is not None
        lacking = bool(record.batch.planned) or not await self._store.count_unfinished_of(record.batch.job_ids)
        if lacking or record.cancel_requested:
            await self.advance_batch(record.id)
        return lacking

    async def advance_batch(self, batch_id: str) -> Job:
        """Do what is left to do for a batch: store its jobs, cancel them if it was cancelled, and end it after the last one.

        Every step may be repeated, also by several processes. The end is one compare-and-set.

        Returns the batch with the state of its jobs.
        """
        while True:
            record = await self.require(batch_id)
            if planned := planned_jobs(record):
                await asyncio.gather(*map(self._insert_planned, planned))
                await self.change(batch_id, _with_jobs_stored)
                continue
            jobs = await self.jobs_of(record)
            if record.cancel_requested and not record.state.terminal:
                waiting = [job for job in jobs if not (job.state.terminal or job.cancel_requested)]
                for job in waiting:
                    await self._cancel_job_of_batch(job.id)
                jobs = await self.jobs_of(record) if waiting else jobs
            summary = summarized(record, jobs, self._clock.now())
            if summary.state is record.state or await self._store.replace(_without_jobs(summary)):
                return summary

    async def _insert_planned(self, job: Job) -> None:
        await inserted(self._store.insert(job))

    async def _cancel_job_of_batch(self, job_id: str) -> None:
        with suppressed("JOB_FINISHED"):
            await self._change_only(job_id, lambda job: transitions.cancelled(job, self._clock.now()))

    async def jobs_of(self, record: Job) -> list[Job]:
        """Return the stored jobs of a batch, in the order of the request."""
        job_ids = record.batch.job_ids if record.batch is not None else []
        stored = await self._store.by_ids(job_ids)
        return [stored[job_id] for job_id in job_ids if job_id in stored]

    async def advance_batch_of(self, job: Job) -> None:
        """Advance the batch of a job that has started or ended. If this fails, the sweeper does it."""
        if job.batch_id:
            with failures_logged("batch.not_advanced", job_id=job.batch_id):  # its record may have been deleted
                await self.advance_batch(job.batch_id)

    async def remove_results(self, job_id: str) -> None:
        """Record that the files of a job were deleted, and remove its results. A job that does not exist is ignored."""
        job = await self._store.get(job_id)
        if job is not None:
            await self._results.remove_results(job)
            await self.change(job_id, lambda job: dataclasses.replace(job, stored_bytes=None))

    async def store_results(self, job: Job) -> Job:
        """Store the results of a succeeded job in track and catalog, unless they are stored already."""
        if not job.results_pending or job.result is None:
            return job
        await self._results.store_results(job)
        if await self.is_orphaned(job):
            await self._results.remove_results(job)
        return await self.change(job.id, lambda current: dataclasses.replace(current, results_pending=None))

    async def republish(self, job: Job) -> Job:
        """Queue a job again whose command or worker was lost, so that its command can be published again."""
        now = self._clock.now()
        return await self.change(job.id, lambda current: transitions.republished(current, now, job.revision))

    async def is_orphaned(self, job: Job) -> bool:
        """Return whether the track of the job was deleted. Another track may have its ID now."""
        if not job.track_id or (job.creates_track and job.track_create_time is None):
            return False
        track = await self.track(job.track_id)
        return track is None or not job.is_for_track(track.create_time)

    async def require(self, job_id: str) -> Job:
        job = await self._store.get(job_id)
        if job is None:
            raise errors.JOB_NOT_FOUND()
        return job

    async def change(self, job_id: str, change: Callable[[Job], Job]) -> Job:
        """Change a job by compare-and-set. Retry if another writer has changed it. The end of a job can end its batch."""
        job, changed = await self._change_only(job_id, change)
        if changed.state.terminal and not job.state.terminal:
            await self.advance_batch_of(changed)
        return changed

    async def _change_only(self, job_id: str, change: Callable[[Job], Job]) -> tuple[Job, Job]:
        while True:
            job = await self.require(job_id)
            changed = change(job)
            if changed == job:
                return job, job
            if await self._store.replace(changed):
                if job.state is JobState.RUNNING and changed.state is not JobState.RUNNING:
                    await self._storage.release(job.owner_id, reservation_id(job), job.network)
                return job, dataclasses.replace(changed, revision=job.revision + 1)


def _with_jobs_stored(record: Job) -> Job:
    """Return a batch whose jobs are stored."""
    assert record.batch is not None
    return dataclasses.replace(record, batch=dataclasses.replace(record.batch, planned=[]))


def _without_jobs(record: Job) -> Job:
    """Return a batch as it is stored: what is said of its jobs is in their own records."""
    assert record.batch is not None
    return dataclasses.replace(record, batch=dataclasses.replace(record.batch, jobs=[]))


def reservation_id(job: Job) -> str:
    """Return the ID of the reservation for the files of a job. A download stores the file of its track."""
    return job.track_id if job.creates_track else job.id

"""Creates jobs and batches: all of a request, or nothing, and once for each idempotency key."""

import asyncio
import dataclasses
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.kit.ports import Clock
from soundwright.kit.security.identity import Principal
from soundwright.services.library.access import may_see
from soundwright.services.library.documents import inserted
from soundwright.services.library.jobs.admission import Limits, NewJob, queued, release, repeated, reserve
from soundwright.services.library.jobs.batches import NewBatch, new_batch, require_batch
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.storage.service import Storage

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs

# While other processes create jobs of the same kind, try again at this interval, for this time.
_CONFLICT_SECONDS = 0.01
_RESERVATION_WAIT_SECONDS = 5.0


class JobCreation:
    """Validates requests, and stores their jobs."""

    def __init__(self, ledger: JobLedger, store: "JobDocs", clock: Clock, storage: Storage) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._storage = storage
        self._admission = asyncio.Lock()  # within a process, waiting is cheaper than repeating a compare-and-set

    async def create(self, principal: Principal, new: NewJob) -> tuple[Job, bool]:
        """Store a queued job, or return the existing job with the same idempotency key or ID.

        Returns the job, and whether it existed.

        Raises ``IDEMPOTENCY_KEY_REUSED`` if the key was used for another request; ``TRACK_NOT_FOUND``,
        ``ACCESS_DENIED``, ``AUDIO_NOT_READY``; ``QUOTA_EXCEEDED`` if the job stores files; the errors of
        :meth:`_reserve`.
        """
        job = await self._checked(principal, new)
        places = [job, *(dataclasses.replace(job, id=job_id) for job_id in new.further_job_ids)]
        existing = await self._admitted(principal, job, places, new.limits)
        job = await self._ledger.store_track(existing or job)
        if existing is None and await self._ledger.is_orphaned(job):  # its track was deleted after the check
            await self._ledger.cancel(principal, job.id)
            raise errors.TRACK_NOT_FOUND()
        return job, existing is not None

    async def create_batch(self, principal: Principal, new: NewBatch) -> tuple[Job, list[Job], bool]:
        """Store a batch and its jobs, all or none, or return the existing batch with the same idempotency key or ID.

        The batch is accepted once its record is stored, which holds the jobs. They are stored next. If the process dies in
        between, :meth:`JobLedger.repair_batch` stores them.

        Returns the batch, its jobs, and whether it existed.

        Raises ``BATCH_INVALID``; the errors of :meth:`create`.
        """
        require_batch(new)
        jobs = [await self._checked(principal, each) for each in new.jobs]
        record = new_batch(principal, new, jobs, self._clock.now())
        existing = await self._admitted(principal, record, jobs, new.jobs[0].limits)
        batch = await self._ledger.advance_batch((existing or record).id)
        return batch, await self._ledger.jobs_of(batch), existing is not None

    async def _checked(self, principal: Principal, new: NewJob) -> Job:
        """Return the job of a request whose track has the audio that the job needs."""
        job = queued(principal, new, self._clock.now())
        if not new.track_id:
            return job
        track = await self._ledger.track(new.track_id)
        if new.creates_track:
            if track is not None and track.owner_id != job.owner_id:
                raise errors.ACCESS_DENIED(what="track")
            return job
        if track is None:
            raise errors.TRACK_NOT_FOUND()
        if not may_see(principal, track.owner_id):
            raise errors.ACCESS_DENIED(what="track")
        if not track.blob_key:
            raise errors.AUDIO_NOT_READY()
        return dataclasses.replace(
            job, track_create_time=track.create_time, work_seconds=job.work_seconds or track.duration_seconds
        )

    async def _admitted(self, principal: Principal, job: Job, places: Sequence[Job], limits: Limits) -> Job | None:
        """Store a job or a batch within its limits. If one with its idempotency key or ID exists, return that one.

        Args:
            places: the job itself and those that follow it, or the jobs of the batch.
        """
        if any(place.output_folder or place.creates_track for place in places):
            try:
                await self._storage.require_room(job.owner_id, job.network)
            except AppError:
                if existing := await self._existing(principal, job):
                    return existing
                raise
        if limits == Limits():
            return None if await inserted(self._store.insert(job)) else await self._require_existing(principal, job)
        async with self._admission:
            existing = await self._reserve(principal, job, places, limits)
            if existing is None and not await inserted(self._store.insert(job)):
                await release(self._store, places)  # another process stored a job with this key first
                return await self._require_existing(principal, job)
            return existing

    async def _reserve(self, principal: Principal, job: Job, places: Sequence[Job], limits: Limits) -> Job | None:
        """Reserve the places of a job or a batch with limits. If one with its idempotency key or ID exists, return that one.

        Raises ``AppError``: the errors of :func:`reserve`; ``SERVICE_UNAVAILABLE`` if a process died while it held the
        last place.
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
                raise errors.SERVICE_UNAVAILABLE("The job could not be created now. Try again in a minute.")
            await asyncio.sleep(_CONFLICT_SECONDS)
        return existing

    async def _existing(self, principal: Principal, job: Job) -> Job | None:
        """Return the job with the same idempotency key or ID, whose request must be equal.

        Raises ``IDEMPOTENCY_KEY_REUSED``.
        """
        found = await self._store.job_by_key(principal.id, job.idempotency_key) if job.idempotency_key else None
        found = found or await self._store.get(job.id)
        return repeated(found, job) if found is not None and found.owner_id == principal.id else None

    async def _require_existing(self, principal: Principal, job: Job) -> Job:
        existing = await self._existing(principal, job)
        if existing is None:
            raise errors.DOC_EXISTS("A job with this ID exists. Use another one.")
        return existing

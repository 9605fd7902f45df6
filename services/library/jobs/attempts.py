"""The attempts of workers at jobs: claims, heartbeats and ends."""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from soundwright.kit.errors import AppError, Code
from soundwright.kit.ports import Clock
from soundwright.services.library.jobs import transitions
from soundwright.services.library.jobs.ledger import JobLedger, reservation_id
from soundwright.services.library.jobs.service import ExternalTask, Job, JobError, JobResult, JobState, Stage
from soundwright.services.library.storage.service import Storage

if TYPE_CHECKING:
    from soundwright.services.library.jobs.store import JobDocs

# A command that comes before a lease has ended is delivered again this much after the end.
_LEASE_MARGIN_SECONDS = 0.05
# A command whose job changed while the ledger looked for it is delivered again after this time.
_CHANGED_SECONDS = 1.0


class JobAttempts:
    """Gives jobs to workers, and stores what becomes of them."""

    def __init__(self, ledger: JobLedger, store: "JobDocs", clock: Clock, storage: Storage) -> None:
        self._ledger = ledger
        self._store = store
        self._clock = clock
        self._storage = storage

    async def claim(
        self, named_job_id: str, worker_id: str, lease_seconds: float, publication: int = 0
    ) -> tuple[Job, bool, float]:
        """Claim the next job of a queue for one attempt.

        A command says that one job of its queue may start. The ledger chooses that job, so that jobs start in the order
        of :mod:`soundwright.services.library.jobs.order` in whatever order the broker delivers commands. Each unfinished job has
        one command, and each command is acknowledged when the job that it started ends.

        Args:
            named_job_id: the job that the command names.
            publication: the publication number of the command. The sweeper publishes another command that names a job if
                the one before was lost, or has started another job. Each may start a job of its own.

        Returns a job, whether it is claimed, and else after how many seconds to deliver the command again. 0 seconds:
        the command is done, and the job is the ended job that it stands for.

        Raises ``JOB_NOT_FOUND``.
        """
        command_id = f"{named_job_id}.{publication}"
        while True:
            now = self._clock.now()
            named, started = await asyncio.gather(
                self._ledger.require(named_job_id), self._store.job_started_by(command_id)
            )
            if started is None and named.command_id is None:
                started = named
            if started is not None and started.state.terminal:
                return started, False, 0.0
            if started is not None and started.state is JobState.RUNNING and (started.lease_until or 0.0) > now:
                if started.command_id == command_id and started.worker_id == worker_id:
                    return started, True, 0.0  # the call is repeated because its answer was lost
                return started, False, (started.lease_until or now) - now + _LEASE_MARGIN_SECONDS
            job = await self._store.next_job(named.queue, now)
            if job is None:
                return named, False, await self._seconds_until_change(named, now)
            if claimed := await self._claimed(job, now, command_id, worker_id, lease_seconds):
                return claimed, not claimed.state.terminal, 0.0

    async def _seconds_until_change(self, named: Job, now: float) -> float:
        change_time = await self._store.next_change_time(named.queue)
        if change_time is not None:
            return max(_LEASE_MARGIN_SECONDS, change_time - now)
        return 0.0 if named.state.terminal else _CHANGED_SECONDS

    async def _claimed(self, job: Job, now: float, command_id: str, worker_id: str, lease_seconds: float) -> Job | None:
        """Begin an attempt at a job, or end the job. Return None if another worker has changed it."""
        try:
            job = await self._ledger.store_track(job)
            orphaned = await self._ledger.is_orphaned(job)
            changed = transitions.claimed(job, now, command_id, worker_id, lease_seconds, orphaned=orphaned)
        except AppError as error:
            if error.code is not Code.PERMISSION_DENIED:
                raise
            # Somebody else has a track with the ID. The job can never start, and must not block its queue.
            job = dataclasses.replace(job, command_id=command_id)
            changed = transitions.ended(job, JobState.FAILED, now, JobError(error.reason, error.message))
        if not await self._store.replace(changed):
            return None
        await self._ledger.advance_batch_of(changed)
        return changed

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
        lease_until = self._clock.now() + lease_seconds
        job = await self._ledger.change(
            job_id, lambda job: transitions.progressed(job, attempt, lease_until, ratio, message, stages, external_task)
        )
        return job.cancel_requested

    async def reserve_storage(self, job_id: str, attempt: int, size_bytes: int) -> None:
        """Reserve space for all files of an attempt, before it stores them. The reservation ends with the attempt.

        Raises ``QUOTA_EXCEEDED``; ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        job = await self._ledger.require(job_id)
        transitions.require_attempt(job, attempt)
        await self._storage.reserve(job.owner_id, reservation_id(job), size_bytes, job.network)

    async def succeed(
        self, job_id: str, attempt: int, result: JobResult, stages: Sequence[Stage], stored_bytes: int = 0
    ) -> Job:
        """Store the result once. A job whose track was deleted is cancelled instead.

        Raises ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        orphaned, now = await self._ledger.is_orphaned(await self._ledger.require(job_id)), self._clock.now()
        job = await self._ledger.change(
            job_id,
            lambda job: transitions.succeeded(job, attempt, now, result, stages, stored_bytes, orphaned=orphaned),
        )
        return await self._ledger.store_results(job)

    async def fail(self, job_id: str, attempt: int, error: JobError, cancelled: bool, stages: Sequence[Stage]) -> Job:
        """End the job as failed, or as cancelled if a cancellation was requested or its track was deleted.

        Raises ``ATTEMPT_STALE`` if another attempt has claimed the job.
        """
        orphaned = cancelled or await self._ledger.is_orphaned(await self._ledger.require(job_id))
        now = self._clock.now()
        return await self._ledger.change(
            job_id, lambda job: transitions.failed(job, attempt, now, error, stages, orphaned=orphaned)
        )

    async def release(
        self, job_id: str, attempt: int, delay_seconds: float, error: JobError | None, refund_attempt: bool
    ) -> Job:
        """Return a job to the queue after a transient failure. Without attempts left, the job fails."""
        now = self._clock.now()
        return await self._ledger.change(
            job_id,
            lambda job: transitions.released(job, attempt, now, delay_seconds, error, refund_attempt=refund_attempt),
        )

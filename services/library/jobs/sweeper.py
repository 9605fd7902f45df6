"""Repairs jobs after crashes: lost commands, jobs of dead workers, results that were not stored, interrupted batches."""

from collections.abc import Awaitable, Callable

from soundwright.kit.errors import AppError
from soundwright.kit.log import correlation_scope, get_logger
from soundwright.kit.metrics import SWEPT
from soundwright.kit.periodic import failures_logged
from soundwright.kit.ports import Bus, Clock
from soundwright.kit.worker.commands import command_subject
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.service import Job
from soundwright.services.library.jobs.store import JobDocs

_BATCH = 200
_BATCH_RECORDS = 50
log = get_logger()


class Sweeper:
    """Repairs jobs in rounds.

    Rounds of several library processes may overlap, because each step is a compare-and-set.
    """

    def __init__(
        self,
        store: JobDocs,
        ledger: JobLedger,
        bus: Bus,
        clock: Clock,
        publish: Callable[[Job], Awaitable[None]],
        lost_command_seconds: float,
    ) -> None:
        """
        Args:
            lost_command_seconds: how long a command or a lease may be overdue before it counts as lost.
        """
        self._store = store
        self._ledger = ledger
        self._bus = bus
        self._clock = clock
        self._publish = publish
        self._lost_command_seconds = lost_command_seconds
        self._cursor: Job | None = None
        self._batch_cursor: Job | None = None
        for reason in ("lease", "command", "batch"):  # these counters begin at 0
            SWEPT.labels(reason)

    async def sweep(self) -> None:
        """Run one round. A step or a job that fails does not keep the others from their repair."""
        for step in (self._store_results, self._free_leases, self._repair_batches, self._publish_lost):
            with failures_logged("sweep.failed", step=step.__name__):
                await step(self._clock.now() - self._lost_command_seconds)

    async def _store_results(self, before: float) -> None:
        for job in await self._store.jobs_with_pending_results(_BATCH):
            # The RPC of the worker may be storing those of later jobs right now.
            if (job.finish_time or 0.0) < before:
                with failures_logged("sweep.failed", job_id=job.id):
                    await self._ledger.store_results(job)
                    SWEPT.labels("results_pending").inc()

    async def _free_leases(self, before: float) -> None:
        """Queue jobs again whose worker has died.

        The broker redelivers the command of a dead worker at about the end of the lease. If no worker claims the job for a while
        after that, its command is lost too.
        """
        for job in await self._store.overdue_leases(before, _BATCH):
            await self._republish(job, "lease")

    async def _repair_batches(self, _before: float) -> None:
        """Complete interrupted batches. One round looks at some of the unfinished ones, the next round at those behind them."""
        records = await self._store.unfinished_batches(_BATCH_RECORDS, self._batch_cursor)
        self._batch_cursor = records[-1] if len(records) == _BATCH_RECORDS else None
        for record in records:
            with correlation_scope(record.correlation_id), failures_logged("sweep.failed", job_id=record.id):
                if await self._ledger.repair_batch(record):
                    SWEPT.labels("batch").inc()
                    log.warning("batch.repaired", job_id=record.id)

    async def _publish_lost(self, before: float) -> None:
        """Publish commands of queues for which the broker holds fewer commands than there are unfinished jobs.

        A command starts whichever job of its queue is next, so only their number matters. One round looks at a batch
        of the queued jobs, the next round at the batch behind it.
        """
        jobs = await self._store.due_jobs(before, _BATCH, self._cursor)
        self._cursor = jobs[-1] if len(jobs) == _BATCH else None
        missing: dict[str, int] = {}
        for job in jobs:
            if job.queue not in missing:
                backlog = await self._bus.backlog(command_subject(job.queue))
                missing[job.queue] = await self._store.unfinished_count(job.queue) - backlog
            if missing[job.queue] > 0:
                missing[job.queue] -= 1
                await self._republish(job, "command")

    async def _republish(self, job: Job, reason: str) -> None:
        with correlation_scope(job.correlation_id), failures_logged("sweep.failed", job_id=job.id):
            try:
                queued = await self._ledger.republish(job)
            except AppError as error:
                if error.reason == "ATTEMPT_STALE":  # a worker has claimed it meanwhile
                    return
                raise
            await self._publish(queued)
            SWEPT.labels(reason).inc()
            log.warning("job.republished", job_id=job.id, lost=reason, attempt=job.attempt)

"""Repairs jobs after crashes: lost commands, jobs of dead workers, results that were not stored, interrupted batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from kit.errors import AppError
from kit.log import correlation_scope, get_logger
from kit.metrics import SWEPT
from kit.ports import Bus, Clock
from services.library.jobs.ledger import JobLedger
from services.library.jobs.order import queue_of
from services.library.jobs.service import Job
from services.library.jobs.store import JobDocs

__all__ = ["Sweeper"]

_BATCH = 200
_BATCH_RECORDS = 50
log = get_logger()


class Sweeper:
    """Runs a repair round every few seconds.

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
        maintenance_tasks: Mapping[str, Callable[[], Awaitable[int]]] | None = None,
    ) -> None:
        """
        Args:
            lost_command_seconds: how long a command or a lease may be overdue before it counts as lost.
            maintenance_tasks: further repairs of each round, by name. Each returns the number of repaired items.
        """
        self._store = store
        self._ledger = ledger
        self._bus = bus
        self._clock = clock
        self._publish = publish
        self._lost_command_seconds = lost_command_seconds
        self._maintenance_tasks = dict(maintenance_tasks or {})
        self._cursor: Job | None = None
        self._batch_cursor: Job | None = None
        for reason in ("lease", "command", "batch"):  # these counters begin at 0
            SWEPT.labels(reason)

    async def run(self, pause_seconds: float) -> None:
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                await self.sweep()
            except AppError as error:
                log.warning("sweep.failed", reason=error.reason, error=error.message)
            except Exception:
                log.exception("sweep.crashed")

    async def sweep(self) -> None:
        """Run one round."""
        for name, task in self._maintenance_tasks.items():
            try:
                SWEPT.labels(name).inc(await task())
            except AppError as error:  # for example, the file store is away; the repair of jobs does not need it
                log.warning("sweep.task_failed", task=name, reason=error.reason, error=error.message)
        now = self._clock.now()
        for job in await self._store.jobs_with_pending_results(_BATCH):
            # The RPC of the worker may be storing them right now.
            if now - (job.finish_time or now) > self._lost_command_seconds:
                await self._ledger.store_results(job)
                SWEPT.labels("results_pending").inc()
        # The broker redelivers the command of a dead worker at about the end of the lease. If no worker claims the job
        # for a while after that, its command is lost too.
        for job in await self._store.overdue_leases(now - self._lost_command_seconds, _BATCH):
            await self._republish(job, "lease")
        await self._repair_batches()
        await self._publish_lost(now - self._lost_command_seconds)

    async def _repair_batches(self) -> None:
        """Complete interrupted batches. One round looks at some of the unfinished ones, the next round at those behind them."""
        records = await self._store.unfinished_batches(_BATCH_RECORDS, self._batch_cursor)
        self._batch_cursor = records[-1] if len(records) == _BATCH_RECORDS else None
        for record in records:
            with correlation_scope(record.correlation_id):
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
            queue = queue_of(job.command_subject)
            if queue not in missing:
                missing[queue] = await self._store.unfinished_count(queue) - await self._bus.backlog(f"{queue}.*")
            if missing[queue] > 0:
                missing[queue] -= 1
                await self._republish(job, "command")

    async def _republish(self, job: Job, reason: str) -> None:
        with correlation_scope(job.correlation_id):
            try:
                queued = await self._ledger.republish(job)
            except AppError as error:
                if error.reason == "ATTEMPT_STALE":  # a worker has claimed it meanwhile
                    return
                raise
            await self._publish(queued)
            SWEPT.labels(reason).inc()
            log.warning("job.republished", job_id=job.id, lost=reason, attempt=job.attempt)

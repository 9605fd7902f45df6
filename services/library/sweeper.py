"""Sets going again what a crash left lying: lost commands, dead workers' jobs, results that were not filed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from kit.errors import AppError
from kit.log import correlation_scope, get_logger
from kit.metrics import SWEPT
from kit.ports import Bus, Clock
from services.library.ledger import JobLedger
from services.library.service import Job
from services.library.store import LibraryStore

__all__ = ["Sweeper"]

_BATCH = 200
log = get_logger()


class Sweeper:
    """One round every few seconds. Rounds of several libraries may overlap: each step is a compare-and-set."""

    def __init__(
        self,
        store: LibraryStore,
        ledger: JobLedger,
        bus: Bus,
        clock: Clock,
        publish: Callable[[Job], Awaitable[None]],
        lost_command_seconds: float,
        chores: Mapping[str, Callable[[], Awaitable[int]]] | None = None,
    ) -> None:
        """
        Args:
            chores: further things to set going again, each round, by name; each says how many there were.
        """
        self._store = store
        self._ledger = ledger
        self._bus = bus
        self._clock = clock
        self._publish = publish
        self._lost_command_seconds = lost_command_seconds
        self._chores = dict(chores or {})
        self._looked_at: Job | None = None

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
        """One round."""
        for name, chore in self._chores.items():
            SWEPT.labels(name).inc(await chore())
        now = self._clock.now()
        for job in await self._store.unfiled_jobs(_BATCH):
            # A worker may be filing it right now.
            if now - (job.finish_time or now) > self._lost_command_seconds:
                await self._ledger.file(job)
                SWEPT.labels("unfiled").inc()
        # The broker delivers the command of a dead worker again by itself, at about the time the lease ends; only a
        # job that nobody took up for a while after that has lost its command too.
        for job in await self._store.overdue_leases(now - self._lost_command_seconds, _BATCH):
            await self._again(job, "lease")
        await self._publish_lost(now - self._lost_command_seconds)

    async def _publish_lost(self, before: float) -> None:
        """Jobs may wait for hours behind others; commands are missing only if the broker holds fewer than that.

        A round looks at some of those that wait, the next at those behind them: what is lost at the end of a long queue,
        or in another one that is shorter, is found in its turn.
        """
        jobs = await self._store.due_jobs(before, _BATCH, self._looked_at)
        self._looked_at = jobs[-1] if len(jobs) == _BATCH else None
        missing: dict[str, int] = {}
        for job in jobs:  # in the order in which they came, whatever their queue
            subject = job.command_subject
            if subject not in missing:
                missing[subject] = await self._store.unfinished_count(subject) - await self._bus.backlog(subject)
            if missing[subject] > 0:
                await self._again(job, "command")

    async def _again(self, job: Job, reason: str) -> None:
        with correlation_scope(job.correlation_id):
            try:
                queued = await self._ledger.republish(job)
            except AppError as error:
                if error.reason == "ATTEMPT_STALE":  # somebody took it up meanwhile
                    return
                raise
            await self._publish(queued)
            SWEPT.labels(reason).inc()
            log.warning("job.republished", job_id=job.id, lost=reason, attempt=job.attempt)

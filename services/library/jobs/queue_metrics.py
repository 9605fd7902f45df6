"""Keeps the metrics of the queues: how many jobs wait, and how long the oldest has waited."""

from collections.abc import Sequence

from soundwright.kit.metrics import JOB_QUEUED_AGE, JOBS_QUEUED
from soundwright.kit.ports import Clock
from soundwright.services.library.jobs.service import Priority
from soundwright.services.library.jobs.store import JobDocs


class QueueMetrics:
    """Reads the ledger. All library processes report the same values."""

    def __init__(self, store: JobDocs, kinds: Sequence[str], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    async def update(self) -> None:
        """Read the ledger once. If this fails, there are no values, so that an alert can tell "unknown" from "empty"."""
        try:
            await self._update()
        except BaseException:
            JOBS_QUEUED.clear()
            JOB_QUEUED_AGE.clear()
            raise

    async def _update(self) -> None:
        now = self._clock.now()
        for kind in self._kinds:
            for priority in Priority:
                count, oldest_time = await self._store.queued(kind, priority)
                JOBS_QUEUED.labels(kind, priority).set(count)
                age_seconds = 0.0 if oldest_time is None else max(0.0, now - oldest_time)
                JOB_QUEUED_AGE.labels(kind, priority).set(age_seconds)

"""Streams of the states of a job.

Events of the bus announce changes, so it does not matter which process makes them. Events can be lost, and some changes
have none, such as the position in the queue. Therefore a watch also reads the job at intervals.
"""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from soundwright.kit import errors
from soundwright.kit.log import get_logger
from soundwright.kit.security.identity import Principal
from soundwright.library.v1 import events_pb2
from soundwright.services.library.jobs.ledger import JobLedger
from soundwright.services.library.jobs.queue import JobQueue
from soundwright.services.library.jobs.service import Job, JobState

_READ_SECONDS = 2.0
_WATCHES_PER_CALLER = 20
_WATCHES = 500
log = get_logger()


@dataclass(eq=False)
class _Watch:
    """One watch. Events only mark it, so its size does not depend on how fast the watcher reads."""

    caller_id: str
    job_id: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    progress: events_pb2.JobProgressed | None = None
    changed: bool = False  # the job must be read


class JobWatches:
    """All watches of this process."""

    def __init__(self, ledger: JobLedger, queue: JobQueue, read_seconds: float = _READ_SECONDS) -> None:
        """
        Args:
            read_seconds: interval between two reads of a job without events.
        """
        self._ledger = ledger
        self._queue = queue
        self._read_seconds = read_seconds
        self._watches: set[_Watch] = set()

    async def watch(self, principal: Principal, job_id: str) -> AsyncGenerator[tuple[Job, int]]:
        """Yield the job and its position in the queue, now and after changes, until the job has ended.

        A slow consumer gets the latest state only. Two states in a row can be equal. The position is 0 unless the job is
        queued.

        Raises ``JOB_NOT_FOUND``, ``ACCESS_DENIED``; ``TOO_MANY_WATCHES``.
        """
        with self._opened(principal, job_id) as watch:
            while True:
                watch.changed = False
                read_again_at = asyncio.get_running_loop().time() + self._read_seconds
                job = await self._ledger.get(principal, job_id)
                position, _ = await self._queue.position(job)
                while not watch.changed:
                    watch.woken.clear()
                    job = _with_progress(job, watch.progress)
                    yield job, position
                    if job.state.terminal:
                        return
                    try:
                        async with asyncio.timeout_at(read_again_at):
                            await watch.woken.wait()
                    except TimeoutError:
                        break
                    watch.changed |= not _is_progress(job, watch.progress)

    def on_event(self, subject: str, payload: bytes) -> None:
        if not self._watches:
            return
        try:
            if subject.endswith(".progressed"):
                progress = events_pb2.JobProgressed.FromString(payload)
                for watch in self._of(progress.job_id):
                    watch.progress = progress
                    watch.woken.set()
            else:
                end = events_pb2.JobFinished.FromString(payload)
                for watch in (*self._of(end.job_id), *self._of(end.batch_id)):
                    watch.changed = True
                    watch.woken.set()
        except DecodeError:
            log.error("event.unreadable", subject=subject)

    def _of(self, job_id: str) -> list[_Watch]:
        return [watch for watch in self._watches if watch.job_id == job_id]

    @contextlib.contextmanager
    def _opened(self, principal: Principal, job_id: str) -> Iterator[_Watch]:
        own = sum(watch.caller_id == principal.id for watch in self._watches)
        if own >= _WATCHES_PER_CALLER and not principal.is_service:
            raise errors.TOO_MANY_WATCHES(
                f"You watch {own} jobs, and {_WATCHES_PER_CALLER} are allowed at a time. End a watch first."
            )
        if len(self._watches) >= _WATCHES:
            raise errors.TOO_MANY_WATCHES(
                "The service has too many open watches. Try again in a minute, or read the job with GetJob."
            )
        watch = _Watch(principal.id, job_id)
        self._watches.add(watch)
        try:
            yield watch
        finally:
            self._watches.discard(watch)


def _is_progress(job: Job, progress: events_pb2.JobProgressed | None) -> bool:
    """Return whether ``progress`` belongs to the attempt of ``job`` that is running."""
    return progress is not None and job.state is JobState.RUNNING and progress.attempt == job.attempt


def _with_progress(job: Job, progress: events_pb2.JobProgressed | None) -> Job:
    """Return the job with the progress of an event, which can be a second ahead of the ledger."""
    if progress is None or not _is_progress(job, progress) or progress.progress_ratio < job.progress_ratio:
        return job
    message = progress.progress_message or job.progress_message
    return dataclasses.replace(job, progress_ratio=progress.progress_ratio, progress_message=message)

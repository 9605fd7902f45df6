"""Notifies listeners in this process of changes of jobs, from events of the bus and by polling the ledger."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Protocol

from google.protobuf.message import DecodeError

from soundwright.kit.errors import AppError, Code
from soundwright.kit.log import get_logger
from soundwright.kit.ports import Bus
from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.job_views import ENDED
from soundwright.services.gateway.records import created_track

_EVENTS = "soundwright.evt.*.v1.job.*"
_READER_COUNT = 4
log = get_logger()


class JobListener(Protocol):
    """Follows a job. Its methods do not raise."""

    job_id: str

    def on_progress(self, event: events_pb2.JobProgressed) -> None:
        """Handle a progress event."""

    def on_record(self, job: job_pb2.Job, track: track_pb2.Track | None) -> None:
        """Handle the ledger's record and the track that the job created. No call follows a finished record."""

    def on_deleted(self) -> None:
        """Handle the deletion of the job. No call follows."""


class JobFeed:
    """Notifies all listeners of a process through one subscription.

    The feed also polls every job that has listeners, so that they learn of its end even if the event is lost.

    Args:
        bus: the bus, once it is open. Until the broker answers, the feed only polls the ledger.
        poll_seconds: interval between two reads of a job.
    """

    def __init__(self, bus: asyncio.Future[Bus], clients: Clients, poll_seconds: float) -> None:
        self._bus = bus
        self._clients = clients
        self._poll_seconds = poll_seconds
        self._listeners: dict[str, set[JobListener]] = {}
        self._pending_reads: dict[str, None] = {}  # job IDs, oldest request first
        self._read_requested = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Notify listeners inside the block."""
        tasks = [asyncio.create_task(work()) for work in (self._subscribe, self._poll, *[self._read] * _READER_COUNT)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe_job(self, job_id: str, listener: JobListener) -> None:
        self._listeners.setdefault(job_id, set()).add(listener)

    def unsubscribe_job(self, job_id: str, listener: JobListener) -> None:
        """Stop notifying ``listener``. An unknown listener is ignored."""
        listening = self._listeners.get(job_id, set())
        listening.discard(listener)
        if not listening:
            self._listeners.pop(job_id, None)

    async def _subscribe(self) -> None:
        bus = await asyncio.shield(self._bus)
        await bus.subscribe(_EVENTS, self._on_event)

    def _on_event(self, subject: str, payload: bytes) -> None:
        try:
            if not subject.endswith(".progressed"):
                end = events_pb2.JobFinished.FromString(payload)
                self._request_read(end.job_id)  # the event does not contain the result
                self._request_read(end.batch_id)  # its progress has changed, and it may have ended
                return
            event = events_pb2.JobProgressed.FromString(payload)
        except DecodeError:
            log.error("event.unreadable", subject=subject)
            return
        for listener in list(self._listeners.get(event.job_id, ())):
            listener.on_progress(event)

    def _request_read(self, job_id: str) -> None:
        if job_id in self._listeners:
            self._pending_reads[job_id] = None
            self._read_requested.set()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            for job_id in self._listeners:
                self._request_read(job_id)

    async def _read(self) -> None:
        while True:
            await self._read_requested.wait()
            if not self._pending_reads:
                self._read_requested.clear()
                continue
            job_id = next(iter(self._pending_reads))
            del self._pending_reads[job_id]  # before the read, so that a later event requests another one
            try:
                await self._read_job(job_id)
            except AppError as error:
                log.warning("feed.not_read", job_id=job_id, reason=error.reason)
            except Exception:
                log.exception("feed.crashed", job_id=job_id)

    async def _read_job(self, job_id: str) -> None:
        try:
            job = (await self._clients.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
        except AppError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            for listener in self._listeners.pop(job_id, set()):
                listener.on_deleted()
            return
        track = await created_track(self._clients, job)
        ended = job.state in ENDED
        for listener in list(self._listeners.get(job_id, ())):
            listener.on_record(job, track)
        if ended:
            self._listeners.pop(job_id, None)

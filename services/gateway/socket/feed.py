"""What happens to jobs, for whoever listens in this process: events from the bus, and the ledger where those are lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

from google.protobuf.message import DecodeError
from soundwright.library.v1 import events_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from kit.log import get_logger
from kit.ports import Bus
from services.gateway.clients import Clients
from services.gateway.forge.wire import spec_of
from services.gateway.socket.topics import ENDED, result_to_wire

__all__ = ["JobFeed", "JobListener", "OwnerListener", "result_of"]

_EVENTS = "soundwright.evt.*.v1.job.*"
_READER_COUNT = 4
_RETRY_SECONDS = 1.0
log = get_logger()
L = TypeVar("L")


class JobListener(Protocol):
    """Wants to know about one job. Must not raise."""

    def hear(self, event: events_pb2.JobProgressed) -> None:
        """The worker tells how far it is."""
        ...

    def read(self, job: job_pb2.Job, result: dict[str, Any] | None) -> None:
        """The ledger's record; with its result, if it succeeded. After one that has ended nothing more comes."""
        ...

    def gone(self) -> None:
        """There is no such job any more."""
        ...


class OwnerListener(Protocol):
    """Wants to know about all jobs of one owner, as far as the bus tells. Must not raise."""

    def hear(self, event: events_pb2.JobProgressed) -> None:
        """A worker tells how far it is with one of them."""
        ...

    def ended(self) -> None:
        """One of them has ended, and the ledger knows more about that."""
        ...


class JobFeed:
    """One subscription for all listeners of a process. Each job that has listeners is also read every few seconds, so that
    its end arrives although the event was lost.

    Args:
        open_bus: connects to the broker. The feed does without as long as that fails.
    """

    def __init__(self, open_bus: Callable[[], Awaitable[Bus]], clients: Clients, poll_seconds: float) -> None:
        self._open_bus = open_bus
        self._clients = clients
        self._poll_seconds = poll_seconds
        self._listeners: dict[str, set[JobListener]] = {}
        self._owner_listeners: dict[str, set[OwnerListener]] = {}
        self._to_read: dict[str, None] = {}  # in the order of asking
        self._asked = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Feed for the length of the block."""
        tasks = [asyncio.create_task(work()) for work in (self._subscribe, self._poll, *[self._read] * _READER_COUNT)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def listen(self, job_id: str, listener: JobListener) -> None:
        self._listeners.setdefault(job_id, set()).add(listener)

    def leave(self, job_id: str, listener: JobListener) -> None:
        _discard(self._listeners, job_id, listener)

    def listen_to_owner(self, owner_id: str, listener: OwnerListener) -> None:
        self._owner_listeners.setdefault(owner_id, set()).add(listener)

    def leave_owner(self, owner_id: str, listener: OwnerListener) -> None:
        _discard(self._owner_listeners, owner_id, listener)

    async def _subscribe(self) -> None:
        while True:
            try:
                bus = await self._open_bus()
                break
            except (AppError, TimeoutError) as error:
                log.warning("feed.not_connected", error=str(error) or type(error).__name__)
        try:
            while True:
                try:
                    await bus.subscribe(_EVENTS, self._hear)
                    await asyncio.Event().wait()
                except AppError as error:
                    log.warning("feed.not_subscribed", reason=error.reason)
                    await asyncio.sleep(_RETRY_SECONDS)
        finally:
            await bus.close()

    def _hear(self, subject: str, payload: bytes) -> None:
        try:
            if not subject.endswith(".progressed"):
                end = events_pb2.JobFinished.FromString(payload)
                self._ask(end.job_id)  # the ledger knows more about it
                for follower in list(self._owner_listeners.get(end.owner_id, ())):
                    follower.ended()
                return
            event = events_pb2.JobProgressed.FromString(payload)
        except DecodeError:
            log.error("event.unreadable", subject=subject)
            return
        for listener in list(self._listeners.get(event.job_id, ())):
            listener.hear(event)
        for follower in list(self._owner_listeners.get(event.owner_id, ())):
            follower.hear(event)

    def _ask(self, job_id: str) -> None:
        if job_id in self._listeners:
            self._to_read[job_id] = None
            self._asked.set()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            for job_id in self._listeners:
                self._ask(job_id)

    async def _read(self) -> None:
        while True:
            await self._asked.wait()
            if not self._to_read:
                self._asked.clear()
                continue
            job_id = next(iter(self._to_read))
            del self._to_read[job_id]  # before reading: what is heard from now on asks for another look
            try:
                await self._look(job_id)
            except AppError as error:
                log.warning("feed.not_read", job_id=job_id, reason=error.reason)
            except Exception:
                log.exception("feed.crashed", job_id=job_id)

    async def _look(self, job_id: str) -> None:
        try:
            job = (await self._clients.jobs.GetJob(pb.GetJobRequest(job_id=job_id))).job
        except AppError as error:
            if error.code is not Code.NOT_FOUND:
                raise
            for listener in self._listeners.pop(job_id, set()):
                listener.gone()
            return
        result = await result_of(self._clients, job)
        ended = job.state in ENDED
        for listener in list(self._listeners.get(job_id, ())):
            listener.read(job, result)
        if ended:
            self._listeners.pop(job_id, None)


def _discard(listeners: dict[str, set[L]], key: str, listener: L) -> None:
    listening = listeners.get(key, set())
    listening.discard(listener)
    if not listening:
        listeners.pop(key, None)


async def result_of(clients: Clients, job: job_pb2.Job) -> dict[str, Any] | None:
    """What a job gave, as clients see it; None unless it succeeded."""
    if job.state != job_pb2.JOB_STATE_SUCCEEDED:
        return None
    track = None
    if job.kind == job_pb2.JOB_KIND_DOWNLOAD:
        track_id = job.track_id or str(spec_of(job).get("track_id"))
        try:
            track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id))).track
        except AppError as error:
            if error.code is not Code.NOT_FOUND:
                raise
    return result_to_wire(job, track)

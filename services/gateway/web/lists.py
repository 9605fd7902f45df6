"""The caller's lists of jobs and tracks on pages."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from services.gateway.channels import KnownJob
from services.gateway.clients import Clients
from services.gateway.records import find_track
from services.gateway.web.cards import Card, job_card, track_card

__all__ = ["CardList", "JobList", "TrackList", "page_count"]

_PAGE_SIZE = 20
_CONCURRENCY_LIMIT = 5
T = TypeVar("T")
R = TypeVar("R")


class CardList(Protocol):
    """One page of a list of the current principal, newest entries first.

    Attributes:
        element_id: id of the HTML element of the list.
    """

    element_id: str
    page: int
    total_count: int

    async def load(self) -> None:
        """Read the list from the library."""
        ...

    def cards(self) -> Sequence[Card]:
        """Return the cards of the entries, from the latest known state."""
        ...

    def on_progress(self, event: events_pb2.JobProgressed) -> bool:
        """Apply a progress event of a job of the same owner. Return False if the list must be loaded again."""
        ...

    def on_finished(self) -> None:
        """Handle the end of a job of the same owner. The caller loads the list again."""
        ...


class JobList:
    """A :class:`CardList` of jobs."""

    element_id = "jobs"

    def __init__(self, clients: Clients, page: int) -> None:
        self._clients = clients
        self.page = page
        self.total_count = 0
        self._jobs: dict[str, KnownJob] = {}  # by ID, in the order of the list
        self._tracks: dict[tuple[str, int], track_pb2.Track | None] = {}  # by job ID and state

    async def load(self) -> None:
        answer = await self._clients.jobs.ListJobs(pb.ListJobsRequest(page=self.page, page_size=_PAGE_SIZE))
        jobs = {job.id: self._jobs.get(job.id) or KnownJob() for job in answer.jobs}
        for job in answer.jobs:
            jobs[job.id].on_record(job)
        # Only a change of the job's state can create a track or change it, so tracks are cached by state.
        states = {(known.job.id, known.job.state): known.job for known in jobs.values()}
        unknown = states.keys() - self._tracks.keys()
        found = await _gather_limited(
            [states[key].track_id for key in unknown], lambda track_id: find_track(self._clients, track_id)
        )
        tracks = self._tracks | dict(zip(unknown, found, strict=True))
        self._jobs, self.total_count = jobs, answer.total_count
        self._tracks = {key: tracks[key] for key in states}

    def cards(self) -> Sequence[Card]:
        jobs = [known.job for known in self._jobs.values()]
        # An event may have changed the state of a job since the list was read. Then the earlier track is shown.
        tracks = {job_id: track for (job_id, _), track in self._tracks.items()}
        return [job_card(job, tracks.get(job.id)) for job in jobs]

    def on_progress(self, event: events_pb2.JobProgressed) -> bool:
        known = self._jobs.get(event.job_id)
        if known is not None:
            known.on_progress(event)
        # A new job appears on the first page, so later pages need no reload.
        return known is not None or self.page > 1

    def on_finished(self) -> None:
        pass


class TrackList:
    """A :class:`CardList` of tracks.

    Args:
        search: prefixes of words that a track must contain; empty for all tracks.
    """

    element_id = "tracks"

    def __init__(self, clients: Clients, page: int, search: str) -> None:
        self._clients = clients
        self.page = page
        self.total_count = 0
        self._search = search
        self._tracks: Sequence[track_pb2.Track] = ()
        self._end_count = 0
        # Stems by track ID, with the cache key (stem count, finished jobs). A new separation may give as many stems.
        self._stems: dict[str, tuple[tuple[int, int], list[job_pb2.AudioOutput]]] = {}

    async def load(self) -> None:
        end_count = self._end_count
        asked = pb.ListTracksRequest(page=self.page, page_size=_PAGE_SIZE, search=self._search)
        answer = await self._clients.tracks.ListTracks(asked)
        states = {track.id: (track.stem_count, end_count) for track in answer.tracks if track.stem_count}
        known = {id: stems for id, stems in self._stems.items() if states.get(id) == stems[0]}
        unknown = [track for track in answer.tracks if track.id in states.keys() - known.keys()]
        found = await _gather_limited(unknown, self._stems_of)
        self._stems = known | {track.id: (states[track.id], stems) for track, stems in zip(unknown, found, strict=True)}
        self._tracks, self.total_count = answer.tracks, answer.total_count

    async def _stems_of(self, track: track_pb2.Track) -> list[job_pb2.AudioOutput]:
        try:
            return list((await self._clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))).stems)
        except AppError as error:
            if error.code is not Code.NOT_FOUND:  # deleted just now
                raise
            return []

    def cards(self) -> Sequence[Card]:
        return [track_card(track, self._stems[track.id][1] if track.stem_count else []) for track in self._tracks]

    def on_progress(self, event: events_pb2.JobProgressed) -> bool:
        """Return False if a new track must be loaded, or a track still shows its download as queued."""
        if event.kind != job_pb2.JOB_KIND_DOWNLOAD or self.page > 1:
            return True
        shown = {track.download_job_id: track.pending_download for track in self._tracks}
        if event.job_id not in shown:
            return bool(self._search)  # the search may not match the new track
        return shown[event.job_id].state != job_pb2.JOB_STATE_QUEUED

    def on_finished(self) -> None:
        self._end_count += 1


def page_count(cards: CardList) -> int:
    """Return the number of pages; 0 for an empty list."""
    return math.ceil(cards.total_count / _PAGE_SIZE)


async def _gather_limited(items: Iterable[T], call: Callable[[T], Awaitable[R]]) -> list[R]:
    """Return the results of ``call`` for all items, with a bounded number of concurrent calls."""
    semaphore = asyncio.Semaphore(_CONCURRENCY_LIMIT)

    async def limited(item: T) -> R:
        async with semaphore:
            return await call(item)

    return await asyncio.gather(*(limited(item) for item in items))

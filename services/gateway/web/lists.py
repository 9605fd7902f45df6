"""The lists that pages show: of jobs, of tracks, each as one person sees it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from services.gateway.clients import Clients
from services.gateway.forge.wire import spec_of
from services.gateway.socket import KnownJob
from services.gateway.web.cards import Card, job_card, track_card

__all__ = ["CardList", "JobList", "TrackList", "page_count"]

_PAGE_SIZE = 20
_LOOK_LIMIT = 5
T = TypeVar("T")
R = TypeVar("R")


class CardList(Protocol):
    """One page of a list, newest first, on behalf of whoever is the current principal."""

    element_id: str
    """Of the list's element on the page."""
    page: int
    total_count: int

    async def load(self) -> None:
        """Read what is in it now."""
        ...

    def cards(self) -> Sequence[Card]:
        """What is to be shown, from all that is known by now."""
        ...

    def hear(self, event: events_pb2.JobProgressed) -> bool:
        """A worker tells how far it is with a job of the same owner. False: something new is in the list, so look."""
        ...

    def ended(self) -> None:
        """A job of the same owner has ended; the list is going to be read again."""
        ...


class JobList:
    """A :class:`CardList` of jobs."""

    element_id = "jobs"

    def __init__(self, clients: Clients, page: int) -> None:
        self._clients = clients
        self.page = page
        self.total_count = 0
        self._jobs: dict[str, KnownJob] = {}  # in their order
        self._tracks: dict[tuple[str, int], track_pb2.Track | None] = {}  # by job and its state

    async def load(self) -> None:
        answer = await self._clients.jobs.ListJobs(pb.ListJobsRequest(page=self.page, page_size=_PAGE_SIZE))
        jobs = {job.id: self._jobs.get(job.id) or KnownJob() for job in answer.jobs}
        for job in answer.jobs:
            jobs[job.id].read(job)
        # A track may come into being when its job is done; otherwise it does not change by a job's progress.
        states = {(known.job.id, known.job.state): known.job for known in jobs.values()}
        unknown = states.keys() - self._tracks.keys()
        found = await _each([states[key] for key in unknown], self._track_of)
        tracks = self._tracks | dict(zip(unknown, found, strict=True))
        self._jobs, self.total_count = jobs, answer.total_count
        self._tracks = {key: tracks[key] for key in states}

    async def _track_of(self, job: job_pb2.Job) -> track_pb2.Track | None:
        track_id = job.track_id or str(spec_of(job).get("track_id") or "")
        if not track_id:
            return None
        try:
            track: track_pb2.Track = (await self._clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id))).track
        except AppError as error:
            if error.code not in (Code.NOT_FOUND, Code.PERMISSION_DENIED):
                raise
            return None
        return track

    def cards(self) -> Sequence[Card]:
        jobs = [known.job for known in self._jobs.values()]
        # What is heard of a job may be ahead of what was read, and then its track is the one it had before.
        tracks = {job_id: track for (job_id, _), track in self._tracks.items()}
        return [job_card(job, tracks.get(job.id)) for job in jobs]

    def hear(self, event: events_pb2.JobProgressed) -> bool:
        known = self._jobs.get(event.job_id)
        if known is not None:
            known.hear(event)
        # On later pages there is nothing but what was on an earlier one before.
        return known is not None or self.page > 1

    def ended(self) -> None:
        pass


class TrackList:
    """A :class:`CardList` of tracks.

    Args:
        search: beginnings of words that a track has; empty: all tracks.
    """

    element_id = "tracks"

    def __init__(self, clients: Clients, page: int, search: str) -> None:
        self._clients = clients
        self.page = page
        self.total_count = 0
        self._search = search
        self._tracks: Sequence[track_pb2.Track] = ()
        self._end_count = 0
        # By track; with their number, and how many jobs had ended when they were read: later ones may be as many, and others.
        self._stems: dict[str, tuple[tuple[int, int], list[job_pb2.AudioOutput]]] = {}

    async def load(self) -> None:
        end_count = self._end_count
        asked = pb.ListTracksRequest(page=self.page, page_size=_PAGE_SIZE, search=self._search)
        answer = await self._clients.tracks.ListTracks(asked)
        states = {track.id: (track.stem_count, end_count) for track in answer.tracks if track.stem_count}
        known = {id: stems for id, stems in self._stems.items() if states.get(id) == stems[0]}
        unknown = [track for track in answer.tracks if track.id in states.keys() - known.keys()]
        found = await _each(unknown, self._stems_of)
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

    def hear(self, event: events_pb2.JobProgressed) -> bool:
        return True  # a track shows no progress

    def ended(self) -> None:
        self._end_count += 1


def page_count(cards: CardList) -> int:
    """How many pages there are; 0 for an empty list."""
    return math.ceil(cards.total_count / _PAGE_SIZE)


async def _each(items: Iterable[T], look: Callable[[T], Awaitable[R]]) -> list[R]:
    """Look at each of them, at a few at once."""
    gate = asyncio.Semaphore(_LOOK_LIMIT)

    async def looked_at(item: T) -> R:
        async with gate:
            return await look(item)

    return await asyncio.gather(*(looked_at(item) for item in items))

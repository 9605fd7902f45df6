"""The caller's lists of jobs and tracks on pages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb

from kit.errors import AppError, Code
from services.gateway.clients import Clients
from services.gateway.records import find_track
from services.gateway.web.cards import Card, job_card, track_card

_PAGE_SIZE = 20
_CONCURRENCY_LIMIT = 5
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class CardPage:
    """One page of a list of the current principal, newest entries first. ``page_count`` is 0 for an empty list."""

    number: int
    page_count: int
    cards: list[Card]


async def job_cards(clients: Clients, page: int) -> CardPage:
    """Return a page of the caller's jobs."""
    answer = await clients.jobs.ListJobs(pb.ListJobsRequest(page=page, page_size=_PAGE_SIZE))
    tracks = await _gather_limited([job.track_id for job in answer.jobs], lambda id: find_track(clients, id))
    cards: list[Card] = [job_card(job, track) for job, track in zip(answer.jobs, tracks, strict=True)]
    return _card_page(page, answer.total_count, cards)


async def track_cards(clients: Clients, page: int, search: str) -> CardPage:
    """Return a page of the caller's tracks. ``search`` holds prefixes of words that a track must contain."""

    async def stems_of(track: track_pb2.Track) -> list[job_pb2.AudioOutput]:
        if not track.stem_count:
            return []
        try:
            return list((await clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))).stems)
        except AppError as error:
            if error.code is not Code.NOT_FOUND:  # deleted just now
                raise
            return []

    answer = await clients.tracks.ListTracks(pb.ListTracksRequest(page=page, page_size=_PAGE_SIZE, search=search))
    stems = await _gather_limited(answer.tracks, stems_of)
    cards: list[Card] = [track_card(track, found) for track, found in zip(answer.tracks, stems, strict=True)]
    return _card_page(page, answer.total_count, cards)


def _card_page(page: int, total_count: int, cards: list[Card]) -> CardPage:
    return CardPage(page, -(-total_count // _PAGE_SIZE), cards)


async def _gather_limited(items: Iterable[T], call: Callable[[T], Awaitable[R]]) -> list[R]:
    """Return the results of ``call`` for all items, with a bounded number of concurrent calls."""
    semaphore = asyncio.Semaphore(_CONCURRENCY_LIMIT)

    async def limited(item: T) -> R:
        async with semaphore:
            return await call(item)

    return await asyncio.gather(*(limited(item) for item in items))

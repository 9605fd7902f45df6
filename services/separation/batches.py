"""Batches: separations of several tracks with the same parameters."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc, track_pb2

_TRACK_LIMIT = 100
_PARALLEL_CALLS = 8
_NAMED_TRACKS = 10  # in the sentence of an error
T = TypeVar("T")
R = TypeVar("R")


async def for_each(work: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Return the results of ``work`` for all items, some of them at a time."""
    slots = asyncio.Semaphore(_PARALLEL_CALLS)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))


async def usable_tracks(
    tracks: library_service_pb2_grpc.TrackServiceStub, track_ids: Sequence[str]
) -> list[track_pb2.Track]:
    """Return the tracks of a request, which must belong to the caller and have audio.

    Raises ``BATCH_INVALID``; ``TRACK_NOT_FOUND`` or ``AUDIO_NOT_READY``, with a sentence that names the tracks.
    """
    if not 1 <= len(track_ids) <= _TRACK_LIMIT or len(set(track_ids)) < len(track_ids) or not all(track_ids):
        raise errors.BATCH_INVALID(f"A batch needs 1 to {_TRACK_LIMIT} tracks, and each of them once.")

    async def found(track_id: str) -> track_pb2.Track | AppError:
        try:
            asked = library_service_pb2.GetTrackRequest(track_id=track_id, needs_audio=True)
            return (await tracks.GetTrack(asked)).track
        except AppError as error:
            return error

    answers = await for_each(found, track_ids)
    missing, silent = [], []
    for track_id, error in zip(track_ids, answers, strict=True):
        if not isinstance(error, AppError):
            continue
        if error.reason in ("TRACK_NOT_FOUND", "ACCESS_DENIED"):
            missing.append(track_id)
        elif error.reason == "AUDIO_NOT_READY":
            silent.append(track_id)
        else:
            raise error
    if missing:
        raise errors.TRACKS_NOT_FOUND(names=_named(missing), **_details(missing))
    if silent:
        raise errors.AUDIOS_NOT_READY(names=_named(silent), **_details(silent))
    return [answer for answer in answers if not isinstance(answer, AppError)]


def _named(track_ids: Sequence[str]) -> str:
    more = len(track_ids) - _NAMED_TRACKS
    return ", ".join(track_ids[:_NAMED_TRACKS]) + (f" and {more} more" if more > 0 else "")


def _details(track_ids: Sequence[str]) -> dict[str, object]:
    return {"details": {"track_ids": list(track_ids)}}

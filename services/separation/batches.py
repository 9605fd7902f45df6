"""Batches: separations of several tracks with the same parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from soundwright.library.v1 import library_service_pb2, library_service_pb2_grpc
from soundwright.separation.v1 import jobs_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb

from kit.errors import AppError, Code

__all__ = ["for_each", "requests_of", "require_tracks", "spec_of"]

_TRACK_LIMIT = 100
_PARALLEL_CALLS = 8
_NAMED_TRACKS = 10  # in the sentence of an error
T = TypeVar("T")
R = TypeVar("R")


def requests_of(request: pb.CreateBatchRequest) -> list[pb.CreateJobRequest]:
    """Return the request for each separation of a batch.

    Raises:
        AppError: ``BATCH_INVALID``.
    """
    track_ids = list(request.track_ids)
    if not 1 <= len(track_ids) <= _TRACK_LIMIT or len(set(track_ids)) < len(track_ids) or not all(track_ids):
        raise AppError(
            Code.INVALID_ARGUMENT, "BATCH_INVALID", f"A batch needs 1 to {_TRACK_LIMIT} tracks, and each of them once."
        )
    parameters = request.parameters.SerializeToString()
    requests = [pb.CreateJobRequest.FromString(parameters) for _ in track_ids]  # the fields have the same numbers
    for each, track_id in zip(requests, track_ids, strict=True):
        each.track_id, each.idempotency_key = track_id, ""
    return requests


def spec_of(request: pb.CreateBatchRequest) -> jobs_pb2.BatchSpec:
    """Return the specification of a batch: what equal requests have in common."""
    return jobs_pb2.BatchSpec(parameters=request.parameters, track_ids=request.track_ids)


async def for_each(work: Callable[[T], Awaitable[R]], items: Sequence[T]) -> list[R]:
    """Return the results of ``work`` for all items, some of them at a time."""
    slots = asyncio.Semaphore(_PARALLEL_CALLS)

    async def one(item: T) -> R:
        async with slots:
            return await work(item)

    return await asyncio.gather(*(one(item) for item in items))


async def require_tracks(tracks: library_service_pb2_grpc.TrackServiceStub, track_ids: Sequence[str]) -> None:
    """Require that all tracks belong to the caller and have audio.

    Raises:
        AppError: ``TRACK_NOT_FOUND`` or ``AUDIO_NOT_READY``, with a sentence that names the tracks.
    """

    async def refusal(track_id: str) -> AppError | None:
        try:
            await tracks.GetTrack(library_service_pb2.GetTrackRequest(track_id=track_id, needs_audio=True))
        except AppError as error:
            return error
        return None

    refusals = await for_each(refusal, track_ids)
    missing, silent = [], []
    for track_id, error in zip(track_ids, refusals, strict=True):
        if error is None:
            continue
        if error.reason in ("TRACK_NOT_FOUND", "ACCESS_DENIED"):
            missing.append(track_id)
        elif error.reason == "AUDIO_NOT_READY":
            silent.append(track_id)
        else:
            raise error
    if missing:
        raise AppError(
            Code.NOT_FOUND,
            "TRACK_NOT_FOUND",
            f"You have no such tracks: {_named(missing)}. Check the IDs; they may have been deleted.",
            _details(missing),
        )
    if silent:
        raise AppError(
            Code.CONFLICT,
            "AUDIO_NOT_READY",
            f"These tracks have no audio yet: {_named(silent)}. Wait until their downloads have ended.",
            _details(silent),
        )


def _named(track_ids: Sequence[str]) -> str:
    more = len(track_ids) - _NAMED_TRACKS
    return ", ".join(track_ids[:_NAMED_TRACKS]) + (f" and {more} more" if more > 0 else "")


def _details(track_ids: Sequence[str]) -> dict[str, object]:
    return {"details": {"track_ids": list(track_ids)}}

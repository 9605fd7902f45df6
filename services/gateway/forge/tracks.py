"""Tracks: upload, list, fetch."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from starlette.responses import Response

from kit.errors import AppError, Code
from services.gateway.clients import Clients, Gateway
from services.gateway.forge.wire import data, listing, track_to_wire
from services.gateway.params import require_uuid
from services.gateway.uploads import UploadPolicy

__all__ = ["PageNumber", "PageSize", "own_track", "track_routes"]

PageNumber = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "title": {"type": "string"},
                        "artist": {"type": "string"},
                        "album": {"type": "string"},
                    },
                }
            }
        },
    }
}


async def own_track(clients: Clients, track_id: str) -> track_pb2.Track:
    """A track of the caller's. Somebody else's is as unknown as one that does not exist."""
    canonical = require_uuid(track_id, "track")
    try:
        answer = await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical))
    except AppError as error:
        if error.reason == "ACCESS_DENIED":
            raise AppError(
                Code.NOT_FOUND, "TRACK_NOT_FOUND", "There is no such track. Check the id; it may have been deleted."
            ) from None
        raise
    track: track_pb2.Track = answer.track
    return track


def track_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tracks", tags=["tracks"])
    clients = gateway.clients
    policy = UploadPolicy(dialect="forge", check_filename=_check_filename, missing=_missing_file, too_large=_too_large)

    @router.post("", openapi_extra=_UPLOAD_BODY, status_code=201)
    async def upload(request: Request) -> Response:
        """Bring a recording in: a multipart form with ``file`` and, if you like, ``title``, ``artist``, ``album``."""
        return data(track_to_wire(await gateway.uploads.receive(request, policy)), 201)

    @router.get("")
    async def list_tracks(page: PageNumber = 1, page_size: PageSize = 20) -> Response:
        """Your tracks, newest first."""
        answer = await clients.tracks.ListTracks(pb.ListTracksRequest(page=page, page_size=page_size))
        return listing([track_to_wire(track) for track in answer.tracks], page, page_size, answer.total_count)

    @router.get("/{track_id}")
    async def get_track(track_id: str) -> Response:
        """One track with all that is known about it."""
        return data(track_to_wire(await own_track(clients, track_id)))

    return router


def _check_filename(filename: str) -> None:
    if not filename.strip():
        raise AppError(
            Code.UNPROCESSABLE, "VALIDATION_ERROR", "The file needs a name.", {"details": {"file": ["needs a name"]}}
        )


def _missing_file() -> AppError:
    return AppError(
        Code.UNPROCESSABLE,
        "VALIDATION_ERROR",
        "Send the recording as a multipart form field named file.",
        {"details": {"file": ["can't be blank"]}},
    )


def _too_large(limit_bytes: int) -> AppError:
    return AppError(
        Code.TOO_LARGE, "TOO_LARGE", f"The file is larger than the {limit_bytes / 1024**2:.0f} MB that are accepted."
    )

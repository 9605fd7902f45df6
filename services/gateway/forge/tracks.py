"""Tracks: upload, list, fetch, change, delete."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, field_validator
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from starlette.responses import Response

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import BINARY, answers
from services.gateway.clients import Clients, Gateway
from services.gateway.forge.shapes import Data, Page, Track
from services.gateway.forge.wire import data, listing, track_to_wire
from services.gateway.params import TrackId, body_of, body_schema, require_uuid
from services.gateway.uploads import UploadPolicy

__all__ = ["RECORDING", "PageNumber", "PageSize", "own_track", "track_routes"]

PageNumber = Annotated[int, Query(ge=1, le=1_000_000, description="from 1")]
PageSize = Annotated[int, Query(ge=1, le=100, description="entries on a page")]
# Longer than whatever is accepted: the library says what that is. The limit also keeps out what is no text at all.
_Text = Annotated[str, Field(max_length=100_000)]
_Whole = Annotated[str, Query(max_length=500, description="the whole of it")]
_Words = Annotated[str, Query(max_length=500, description="beginnings of words", examples=["blind"])]
_Bpm = Annotated[float | None, Query(allow_inf_nan=False, description="beats per minute", examples=[120])]
_SORTS = {
    "newest": (pb.TRACK_SORT_CREATE_TIME, None),
    "oldest": (pb.TRACK_SORT_CREATE_TIME, False),
    "title": (pb.TRACK_SORT_TITLE, None),
    "artist": (pb.TRACK_SORT_ARTIST, None),
    "duration": (pb.TRACK_SORT_DURATION, None),
}
_STATUSES = {
    "": pb.TRACK_STATUS_UNSPECIFIED,
    "all": pb.TRACK_STATUS_UNSPECIFIED,
    "pending": pb.TRACK_STATUS_PENDING,
    "downloaded": pb.TRACK_STATUS_DOWNLOADED,
    "processed": pb.TRACK_STATUS_PROCESSED,
    "analyzed": pb.TRACK_STATUS_ANALYZED,
}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {**BINARY, "description": "the recording"},
                        "title": {"type": "string", "description": "else what the file says"},
                        "artist": {"type": "string", "description": "else what the file says"},
                        "album": {"type": "string", "description": "else what the file says"},
                    },
                }
            }
        },
    }
}


class TrackChanges(BaseModel):
    """What to change; what is not given stays. An empty value, or null, clears."""

    title: _Text | None = Field(
        None,
        description="it has one always",
        json_schema_extra={"minLength": 1, "maxLength": 500},
        examples=["Blinding Lights"],
    )
    artist: _Text | None = Field(None, description="who plays", json_schema_extra={"maxLength": 500})
    album: _Text | None = Field(None, description="where it is from", json_schema_extra={"maxLength": 500})
    bpm: float | None = Field(
        None,
        allow_inf_nan=False,
        description="beats per minute",
        json_schema_extra={"minimum": 20, "maximum": 400},
        examples=[128.5],
    )
    key: _Text | None = Field(None, description='such as "A minor" or "F# major"', examples=["A minor"])
    tags: list[_Text] | None = Field(
        None,
        max_length=1000,
        description="each of 1 to 50 characters",
        json_schema_extra={"maxItems": 50},
        examples=[["synthwave"]],
    )

    @field_validator("bpm", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """A form has no null. True is no tempo."""
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("tags", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """A form may give one tag or several with commas between."""
        return [tag.strip() for tag in value.split(",") if tag.strip()] if isinstance(value, str) else value


async def own_track(clients: Clients, track_id: str) -> track_pb2.Track:
    """A track of the caller's. Somebody else's is as unknown as one that does not exist."""
    canonical = require_uuid(track_id, "track")
    with _foreign_is_unknown():
        track: track_pb2.Track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical))).track
    return track


@contextlib.contextmanager
def _foreign_is_unknown() -> Iterator[None]:
    try:
        yield
    except AppError as error:
        if error.reason == "ACCESS_DENIED":
            raise AppError(
                Code.NOT_FOUND, "TRACK_NOT_FOUND", "There is no such track. Check the id; it may have been deleted."
            ) from None
        raise


def track_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tracks", tags=["forge tracks"])
    clients = gateway.clients

    @router.post("", openapi_extra=_UPLOAD_BODY)
    @answers(Data[Track], refusals.NO_FORM, refusals.AUDIO_UNREADABLE, status=201)
    async def upload_track(request: Request) -> Response:
        """Bring a recording in: a multipart form with ``file`` and, if you like, ``title``, ``artist``, ``album``."""
        return data(track_to_wire(await gateway.uploads.receive(request, RECORDING)), 201)

    @router.get("")
    @answers(Page[list[Track]], refusals.VALIDATION_ERROR, headers=("Link",))
    async def list_tracks(
        request: Request,
        page: PageNumber = 1,
        page_size: PageSize = 20,
        sort: Annotated[
            Literal["newest", "oldest", "title", "artist", "duration"], Query(description="by what")
        ] = "newest",
        order: Annotated[Literal["", "asc", "desc"], Query(description="turned round")] = "",
        status: Annotated[
            Literal["", "all", "pending", "downloaded", "processed", "analyzed"], Query(description="what they have")
        ] = "",
        artist: _Whole = "",
        album: _Whole = "",
        tag: _Whole = "",
        source: _Whole = "",
        key: _Whole = "",
        bpm_min: _Bpm = None,
        bpm_max: _Bpm = None,
        q: _Words = "",
        search: _Words = "",
    ) -> Response:
        """Your tracks, newest first.

        ``sort`` by ``title`` or ``artist`` begins with A, by ``duration`` with the longest; ``order`` turns it round.
        ``q`` (or ``search``) finds tracks by beginnings of words in title, artist, album and tags; all of them must
        occur. ``artist``, ``album`` and ``tag`` are whole names. Case and diacritics do not count in any of these.
        ``status`` finds what a track has: ``downloaded`` its file, ``processed`` stems, ``analyzed`` an analysis; a
        track that has more than one is found by each, and shows the last.
        """
        by, descending = _SORTS[sort]
        asked = pb.ListTracksRequest(
            page=page,
            page_size=page_size,
            sort=by,
            descending=order == "desc" if order else descending,
            search=f"{q} {search}",
            status=_STATUSES[status],
            artist=artist,
            album=album,
            tag=tag,
            source=source,
            key=key,
            min_bpm=bpm_min,
            max_bpm=bpm_max,
        )
        answer = await clients.tracks.ListTracks(asked)
        tracks = [track_to_wire(track) for track in answer.tracks]
        return listing(tracks, page, page_size, answer.total_count, request.url)

    @router.get("/{track_id}")
    @answers(Data[Track], refusals.TRACK_NOT_FOUND)
    async def get_track(track_id: TrackId) -> Response:
        """One track with all that is known about it."""
        return data(track_to_wire(await own_track(clients, track_id)))

    @router.patch("/{track_id}", openapi_extra=body_schema(TrackChanges))
    @answers(Data[Track], refusals.TRACK_NOT_FOUND, refusals.VALIDATION_ERROR)
    async def change_track(
        track_id: TrackId, changes: Annotated[TrackChanges, Depends(body_of(TrackChanges))]
    ) -> Response:
        """Change what you say of a track: ``title``, ``artist``, ``album``, ``bpm``, ``key``, ``tags``."""
        given = changes.model_dump(exclude_unset=True)
        values = {field: value for field, value in given.items() if value is not None}
        request = pb.UpdateTrackRequest(
            track_id=require_uuid(track_id, "track"), track=track_pb2.Track(**values), fields=list(given)
        )
        with _foreign_is_unknown():
            answer = await clients.tracks.UpdateTrack(request)
        return data(track_to_wire(answer.track))

    @router.delete("/{track_id}")
    @answers(None, refusals.TRACK_NOT_FOUND, status=204)
    async def delete_track(track_id: TrackId) -> Response:
        """Delete a track with its files, stems and analysis, and cancel its jobs."""
        with _foreign_is_unknown():
            await clients.tracks.DeleteTrack(pb.DeleteTrackRequest(track_id=require_uuid(track_id, "track")))
        return Response(status_code=204)

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


RECORDING = UploadPolicy(dialect="forge", check_filename=_check_filename, missing=_missing_file, too_large=_too_large)
"""What is asked of an upload of whatever length."""

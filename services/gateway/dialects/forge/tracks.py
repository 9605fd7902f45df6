"""Tracks: upload, list, get, update and delete."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field, field_validator
from starlette.responses import Response

from soundwright.ingest.v1 import ingest_service_pb2 as ingest_pb
from soundwright.kit import errors
from soundwright.library.v1 import catalog_service_pb2 as catalog_pb
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, listing, page_links, track_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Corrections, Data, Page, Track
from soundwright.services.gateway.files.covers import cover_response
from soundwright.services.gateway.files.uploads import RECORDING_ERRORS, UploadPolicy
from soundwright.services.gateway.openapi.responses import BINARY, documented, file_responses, multipart_body
from soundwright.services.gateway.records import denied_is_unknown, own_track
from soundwright.services.gateway.wire.parameters import (
    Cursor,
    IdempotencyKey,
    PageNumber,
    PageSize,
    TrackId,
    body_of,
    body_schema,
    require_uuid,
)

# The library checks the real limits of the fields. This one only bounds the request.
_Text = Annotated[str, Field(max_length=100_000)]
_Whole = Annotated[str, Query(max_length=500, description="The complete name, ignoring case and diacritics.")]
_Words = Annotated[str, Query(max_length=500, description="Words or prefixes of words.", examples=["blind"])]
_Bpm = Annotated[float | None, Query(allow_inf_nan=False, description="Beats per minute.", examples=[120])]
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
_UPLOAD_BODY = multipart_body(
    "file",
    {
        "file": {**BINARY, "description": "The audio file."},
        "title": {"type": "string", "description": "Default: the tag of the file."},
        "artist": {"type": "string", "description": "Default: the tag of the file."},
        "album": {"type": "string", "description": "Default: the tag of the file."},
    },
)


_PICTURE_BODY = {
    "requestBody": {
        "required": True,
        "content": {f"image/{kind}": {"schema": BINARY} for kind in ("jpeg", "png", "webp")},
    }
}


class TrackChanges(BaseModel):
    """Changes to a track. Omitted fields do not change. An empty value or null clears a field."""

    title: _Text | None = Field(
        None,
        description="The title. It cannot be empty.",
        json_schema_extra={"minLength": 1, "maxLength": 500},
        examples=["Blinding Lights"],
    )
    artist: _Text | None = Field(None, description="The artist.", json_schema_extra={"maxLength": 500})
    album: _Text | None = Field(None, description="The album.", json_schema_extra={"maxLength": 500})
    bpm: float | None = Field(
        None,
        allow_inf_nan=False,
        description="Beats per minute.",
        json_schema_extra={"minimum": 20, "maximum": 400},
        examples=[128.5],
    )
    key: _Text | None = Field(None, description='A key such as "A minor" or "F# major".', examples=["A minor"])
    tags: list[_Text] | None = Field(
        None,
        max_length=1000,
        description="Tags of 1 to 50 characters.",
        json_schema_extra={"maxItems": 50},
        examples=[["synthwave"]],
    )
    corrections: Corrections | None = Field(
        None, description="All corrections of the analysis, instead of the earlier ones. Later analyses keep them."
    )

    @field_validator("bpm", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        """Treat a blank form value as null, and reject booleans, which pydantic would convert to numbers."""
        if isinstance(value, bool):
            raise ValueError("must be a number")
        return None if isinstance(value, str) and not value.strip() else value

    @field_validator("tags", mode="before")
    @classmethod
    def _list(cls, value: Any) -> Any:
        """Accept a comma-separated string, which forms send."""
        return [tag.strip() for tag in value.split(",") if tag.strip()] if isinstance(value, str) else value


class ClipParameters(BaseModel):
    """The clip to copy."""

    clip_id: str = Field(
        max_length=64, description="The ID of the clip.", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"]
    )


def track_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/tracks", tags=["forge tracks"])
    clients = gateway.clients
    recordings = UploadPolicy("forge")

    @router.post("", openapi_extra=_UPLOAD_BODY)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Track], errors.FORM_NEEDED, *RECORDING_ERRORS, status=201, idempotent=True)
    async def upload_track(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Upload an audio file as a multipart form with ``file`` and optionally ``title``, ``artist`` and ``album``.

        As long as the track exists, uploads of the same file with the same ``Idempotency-Key`` return it.
        """
        track, existed = await gateway.uploads.receive_track(request, recordings, idempotency_key)
        return data(track_to_wire(track), 200 if existed else 201)

    @router.post("/from-clip", openapi_extra=body_schema(ClipParameters))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Track],
        errors.GENERATION_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.QUOTA_EXCEEDED,
        errors.VALIDATION_ERROR,
        status=201,
    )
    async def copy_clip(parameters: Annotated[ClipParameters, Depends(body_of(ClipParameters))]) -> Response:
        """Create a track from a generated clip, whose prompt becomes the title. The track has its own copy of the audio."""
        wanted = catalog_pb.GetGenerationRequest(
            generation_id=require_uuid(parameters.clip_id, errors.GENERATION_NOT_FOUND)
        )
        clip = (await clients.catalog.GetGeneration(wanted)).generation
        return data(track_to_wire(await gateway.uploads.copy_track(clip.audio_blob_key, "clip.wav", clip.prompt)), 201)

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[Track]], errors.VALIDATION_ERROR, headers=("Link",))
    async def list_tracks(
        request: Request,
        page: PageNumber = 1,
        page_size: PageSize = 20,
        cursor: Cursor = "",
        sort: Annotated[
            Literal["newest", "oldest", "title", "artist", "duration"], Query(description="The sort order.")
        ] = "newest",
        order: Annotated[
            Literal["", "asc", "desc"], Query(description="Overrides the direction of the sort order.")
        ] = "",
        status: Annotated[
            Literal["", "all", "pending", "downloaded", "processed", "analyzed"],
            Query(description="Only tracks in this state."),
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
        """List your tracks, newest first.

        ``title`` and ``artist`` sort from A to Z, ``duration`` sorts the longest tracks first; ``order`` overrides the
        direction. ``q`` or ``search`` searches title, artist, album and tags; a track must contain every word or prefix.
        ``artist``, ``album`` and ``tag`` match complete names. All of these ignore case and diacritics. ``status`` selects
        tracks that have audio (``downloaded``), stems (``processed``) or an analysis (``analyzed``), even if the track
        shows a later status. ``pending`` selects tracks without audio, whose download is not completed.
        """
        by, descending = _SORTS[sort]
        asked = pb.ListTracksRequest(
            page=page,
            page_size=page_size,
            page_token=cursor,
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
        return listing(tracks, page, page_size, answer.total_count, page_links(request.url, page, page_size, answer))

    @router.get("/{track_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Track], errors.TRACK_NOT_FOUND)
    async def get_track(track_id: TrackId) -> Response:
        """Get a track."""
        return data(track_to_wire(await own_track(clients, track_id)))

    @router.get("/{track_id}/cover")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("image/jpeg", errors.TRACK_NOT_FOUND, errors.FILE_NOT_FOUND, redirects=False)
    async def get_cover(request: Request, track_id: TrackId) -> Response:
        """Get the cover of a track: a JPEG of at most 640 pixels a side. A track without a ``cover_path`` has none."""
        return await cover_response(request, gateway.blobs, await own_track(clients, track_id))

    @router.put("/{track_id}/cover", openapi_extra=_PICTURE_BODY)
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(
        Data[Track],
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.FILE_TOO_LARGE,
        errors.PICTURE_UNREADABLE,
        errors.REQUEST_TIMEOUT,
    )
    async def set_cover(request: Request, track_id: TrackId) -> Response:
        """Set the cover of a track: a JPEG, PNG or WebP picture of at most 10 MB. It is stored as a JPEG of at most 640 pixels a side."""
        track = await own_track(clients, track_id, needs_audio=True)
        with denied_is_unknown():
            return data(track_to_wire(await gateway.uploads.receive_cover(request, track.id)))

    @router.delete("/{track_id}/cover")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.TRACK_NOT_FOUND, errors.AUDIO_NOT_READY, status=204)
    async def delete_cover(track_id: TrackId) -> Response:
        """Remove the cover of a track, if it has one."""
        with denied_is_unknown():
            await clients.ingest.SetCover(ingest_pb.SetCoverRequest(track_id=track_id))
        return Response(status_code=204)

    @router.patch("/{track_id}", openapi_extra=body_schema(TrackChanges))
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Data[Track], errors.TRACK_NOT_FOUND, errors.VALIDATION_ERROR)
    async def change_track(
        track_id: TrackId, changes: Annotated[TrackChanges, Depends(body_of(TrackChanges))]
    ) -> Response:
        """Update the ``title``, ``artist``, ``album``, ``bpm``, ``key``, ``tags`` or ``corrections`` of a track."""
        return data(track_to_wire(await update_own(clients, track_id, changes.model_dump(exclude_unset=True))))

    @router.delete("/{track_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.TRACK_NOT_FOUND, status=204)
    async def delete_track(track_id: TrackId) -> Response:
        """Delete a track, its files, stems and analysis, and cancel its jobs."""
        await delete_own(clients, track_id)
        return Response(status_code=204)

    return router


async def update_own(clients: Clients, track_id: str, given: Mapping[str, Any]) -> track_pb2.Track:
    """Change the given fields of a track, and return it. Raises ``TRACK_NOT_FOUND``; ``VALIDATION_ERROR``."""
    values = {field: value for field, value in given.items() if value is not None}
    request = pb.UpdateTrackRequest(track_id=track_id, track=track_pb2.Track(**values), fields=list(given))
    with denied_is_unknown():
        track: track_pb2.Track = (await clients.tracks.UpdateTrack(request)).track
    return track


async def delete_own(clients: Clients, track_id: str) -> None:
    """Delete a track. Raises ``TRACK_NOT_FOUND``."""
    with denied_is_unknown():
        await clients.tracks.DeleteTrack(pb.DeleteTrackRequest(track_id=track_id))

"""Tracks that a link opens to everybody: reading only, without an account."""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.security.identity import principal_scope
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import (
    corrections_to_wire,
    json_text,
    shaped,
    splice,
    stem_to_wire,
    time_to_wire,
)
from soundwright.services.gateway.dialects.forge.shapes import AnalysisValues, Corrections, Data, Stem
from soundwright.services.gateway.dialects.forge.stems import SEGMENT_ERRORS, WAVEFORM_ERRORS, PixelFrames, SegmentIndex
from soundwright.services.gateway.files.covers import cover_path, cover_response
from soundwright.services.gateway.files.files import blob_response
from soundwright.services.gateway.files.playback import PIXEL_FRAMES
from soundwright.services.gateway.openapi.responses import (
    Seconds,
    Time,
    documented,
    file_responses,
    generated_file_responses,
)
from soundwright.services.gateway.records import find_analysis, own_stem
from soundwright.services.gateway.wire.parameters import StemId

_Secret = Annotated[
    str, Path(description="The secret of a link.", examples=["qO3xVbM5cS1JmKZyFqkzVw1Hn3xw6Yq0dJmVtR8uE2A"])
]


class SharedTrack(TypedDict):
    """A track as its link shows it."""

    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    album: Annotated[str | None, Field(examples=["After Hours"])]
    duration_seconds: Seconds
    frame_count: Annotated[int, Field(examples=[8821764])]
    bpm: Annotated[float | None, Field(examples=[128.0])]
    key: Annotated[str | None, Field(examples=["A minor"])]
    corrections: Corrections | None
    cover_path: Annotated[str | None, Field(description="The path of the cover.")]
    expires_at: Time | None
    mix: Annotated[Stem | None, Field(description="The recording, with the sample rate and length of the stems.")]
    stems: Annotated[list[Stem], Field(description="Empty if the track was not separated.")]
    analysis: Annotated[AnalysisValues | None, Field(description="Null if the track was not analysed.")]


def shared_track_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge sharing"])
    clients, playback = gateway.clients, gateway.playback

    async def shared_track(secret: str) -> tuple[track_pb2.TrackLink, track_pb2.Track]:
        """Return a link and its track. The caller has no account, so the library answers the gateway itself."""
        link = (await clients.tracks.OpenTrackLink(pb.OpenTrackLinkRequest(secret=secret))).link
        return link, (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=link.track_id, needs_audio=True))).track

    async def shared_stem(secret: str, stem_id: str) -> job_pb2.AudioOutput:
        with principal_scope(None):
            link = (await clients.tracks.OpenTrackLink(pb.OpenTrackLinkRequest(secret=secret))).link
            stem = await own_stem(clients, stem_id)
        if stem.track_id != link.track_id:
            raise errors.STEM_NOT_FOUND()
        return stem

    @router.get("/api/shared/{secret}")
    @access(Access.PUBLIC, RateClass.FILES)
    @documented(Data[SharedTrack], errors.TRACK_LINK_ENDED)
    async def get_shared_track(secret: _Secret) -> Response:
        """Get the track that a link shares, with its latest stems and its analysis. No account is needed."""
        with principal_scope(None):
            link, track = await shared_track(secret)
            stems = await clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))
            analysis = await find_analysis(clients, track.id)
        head = shaped(
            track,
            SharedTrack,
            corrections=corrections_to_wire(track),
            cover_path=cover_path(f"/api/shared/{secret}", track),
            expires_at=time_to_wire(link, "expire_time"),
            mix=stem_to_wire(stems.mix) if stems.HasField("mix") else None,
            stems=[stem_to_wire(stem) for stem in stems.stems],
        )
        values = analysis.values_json if analysis is not None else "null"
        # The values may be several megabytes, so the gateway does not parse them.
        return json_text('{"data":' + splice(head, '{"analysis":' + values + "}") + "}")

    @router.get("/api/shared/{secret}/audio")
    @access(Access.PUBLIC, RateClass.FILES)
    @file_responses("audio/*", errors.TRACK_LINK_ENDED, errors.FILE_NOT_FOUND)
    async def get_shared_audio(request: Request, secret: _Secret) -> Response:
        """Play the recording that a link shares. Supports range requests."""
        with principal_scope(None):
            _, track = await shared_track(secret)
        return await blob_response(
            request,
            gateway.blobs,
            track.blob_key,
            content_type=track.content_type,
            filename=track.filename,
            inline=True,
        )

    @router.get("/api/shared/{secret}/cover")
    @access(Access.PUBLIC, RateClass.FILES)
    @file_responses("image/jpeg", errors.TRACK_LINK_ENDED, errors.FILE_NOT_FOUND, redirects=False)
    async def get_shared_cover(request: Request, secret: _Secret) -> Response:
        """Get the cover of the track that a link shares."""
        with principal_scope(None):
            _, track = await shared_track(secret)
        return await cover_response(request, gateway.blobs, track)

    @router.get("/api/shared/{secret}/waveform")
    @access(Access.PUBLIC, RateClass.FILES)
    @file_responses(
        "application/octet-stream",
        errors.TRACK_LINK_ENDED,
        errors.FILE_NOT_FOUND,
        errors.VALIDATION_ERROR,
        redirects=False,
    )
    async def get_shared_waveform(
        request: Request, secret: _Secret, samples_per_pixel: PixelFrames = PIXEL_FRAMES
    ) -> Response:
        """Get the waveform of the recording that a link shares, as `GET /api/tracks/{track_id}/waveform`."""
        with principal_scope(None):
            _, track = await shared_track(secret)
        return await playback.recording_waveform(request, track, samples_per_pixel)

    @router.get("/api/shared/{secret}/stems/{stem_id}/segments/{index}")
    @access(Access.PUBLIC, RateClass.FILES)
    @generated_file_responses("audio/*", errors.TRACK_LINK_ENDED, errors.STEM_NOT_FOUND, *SEGMENT_ERRORS)
    async def get_shared_segment(request: Request, secret: _Secret, stem_id: StemId, index: SegmentIndex) -> Response:
        """Get a part of a shared stem, as `GET /api/stems/{stem_id}/segments/{index}`."""
        return await playback.segment(request, await shared_stem(secret, stem_id), index)

    @router.get("/api/shared/{secret}/stems/{stem_id}/waveform")
    @access(Access.PUBLIC, RateClass.FILES)
    @file_responses(
        "application/octet-stream", errors.TRACK_LINK_ENDED, errors.STEM_NOT_FOUND, *WAVEFORM_ERRORS, redirects=False
    )
    async def get_shared_stem_waveform(
        request: Request, secret: _Secret, stem_id: StemId, samples_per_pixel: PixelFrames = PIXEL_FRAMES
    ) -> Response:
        """Get the waveform of a shared stem, as `GET /api/stems/{stem_id}/waveform`."""
        return await playback.waveform(request, await shared_stem(secret, stem_id), samples_per_pixel)

    return router

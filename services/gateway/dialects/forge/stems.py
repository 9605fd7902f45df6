"""Stems for players: what a track has to play, segments and waveforms."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import AfterValidator, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.analysis.v1 import analysis_service_pb2 as analysis_pb
from soundwright.kit import errors
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, shaped, stem_to_wire, time_to_wire
from soundwright.services.gateway.dialects.forge.shapes import Data, Stem
from soundwright.services.gateway.files.playback import PIXEL_FRAMES, SPECTROGRAM_SECONDS
from soundwright.services.gateway.openapi.responses import (
    Time,
    Uuid,
    documented,
    file_responses,
    generated_file_responses,
)
from soundwright.services.gateway.records import own_job, own_stem, own_track
from soundwright.services.gateway.wire.parameters import StemId, TrackId

_PIXEL_FRAMES_LIMIT = 1 << 24
_SEPARATION_LIMIT = 20
_PIXEL_COLUMNS_LIMIT = 1024
WAVEFORM_ERRORS = (errors.FILE_NOT_FOUND, errors.VALIDATION_ERROR, errors.TOO_MANY_CONVERSIONS)
SEGMENT_ERRORS = (errors.SEGMENT_NOT_FOUND, *WAVEFORM_ERRORS)


class FinishedSeparation(TypedDict):
    """A separation whose stems are stored."""

    id: Annotated[Uuid, Field(description="The ID of its job.")]
    model: Annotated[str, Field(description="The model that was used.", examples=["htdemucs"])]
    requested_model: Annotated[str, Field(examples=["htdemucs"])]
    degraded_reason: Annotated[
        str | None, Field(description="Why another model than the requested one was used, in one sentence.")
    ]
    degraded_details: Annotated[str | None, Field(description="The same, with what to do.")]
    stem_types: Annotated[list[str], Field(examples=[["drums", "bass", "other", "vocals"]])]
    completed_at: Time | None


class Stems(TypedDict):
    """The stems of a separation of a track, and the recording that they are of."""

    mix: Annotated[
        Stem | None,
        Field(
            description="The recording itself, with the sample rate and length of the stems. "
            "Null if it was separated by an earlier version, or not at all."
        ),
    ]
    stems: Annotated[list[Stem], Field(description="Empty if the track was not separated.")]
    separations: Annotated[
        list[FinishedSeparation], Field(description="The latest 20 separations of the track, newest first.")
    ]


def _power_of_two(value: int) -> int:
    if value & (value - 1):
        raise ValueError("must be a power of two")
    return value


PixelFrames = Annotated[
    int,
    Query(
        ge=PIXEL_FRAMES,
        le=_PIXEL_FRAMES_LIMIT,
        description="Frames per pixel: a power of two. Only 256 supports range requests.",
        examples=[PIXEL_FRAMES],
    ),
    AfterValidator(_power_of_two),
]
SegmentIndex = Annotated[
    int, Path(ge=0, description="The number of the segment, from 0. A stem has `segment_count` segments.", examples=[0])
]
TileIndex = Annotated[int, Path(ge=0, description="The number of the tile, from 0.", examples=[0])]
PixelColumns = Annotated[
    int,
    Query(ge=1, le=_PIXEL_COLUMNS_LIMIT, description="Columns per pixel: a power of two.", examples=[1]),
    AfterValidator(_power_of_two),
]


def stem_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge stems"])
    clients, playback = gateway.clients, gateway.playback

    @router.get("/api/tracks/{track_id}/stems")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Stems], errors.ACCESS_DENIED, errors.TRACK_NOT_FOUND, errors.JOB_NOT_FOUND)
    async def list_stems(
        track_id: TrackId,
        separation_id: Annotated[
            str, Query(description="A finished separation of the track. Default: the latest one.")
        ] = "",
    ) -> Response:
        """List the stems of a track's separation, and the recording itself (``mix``) with the same rate and length.

        ``separations`` lists the newest 20, for comparison. `GET /api/jobs?track_id=` lists all.
        """
        track = await own_track(clients, track_id)
        jobs = await _separations(clients, track)
        if separation_id:
            job = await own_job(clients, separation_id, job_pb2.JOB_KIND_SEPARATION)
            if job.track_id != track.id or not _has_stems(job, track):
                raise errors.JOB_NOT_FOUND("This track has no such finished separation.")
            result = job.result
            shown = pb.ListStemsResponse(stems=result.outputs, mix=result.mix if result.HasField("mix") else None)
        else:
            shown = await clients.tracks.ListStems(pb.ListStemsRequest(track_id=track.id))
        stems: Stems = {
            "mix": stem_to_wire(shown.mix) if shown.HasField("mix") else None,
            "stems": [stem_to_wire(stem) for stem in shown.stems],
            "separations": [_separation_to_wire(job) for job in jobs],
        }
        return data(stems)

    @router.get("/api/tracks/{track_id}/waveform")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "application/octet-stream",
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.FILE_NOT_FOUND,
        errors.VALIDATION_ERROR,
        redirects=False,
    )
    async def get_track_waveform(
        request: Request, track_id: TrackId, samples_per_pixel: PixelFrames = PIXEL_FRAMES
    ) -> Response:
        """Get the waveform of an uploaded recording, as `GET /api/stems/{stem_id}/waveform`. No separation is needed.

        Downloads, and uploads to earlier versions, have none: `FILE_NOT_FOUND`.
        """
        track = await own_track(clients, track_id, needs_audio=True)
        return await playback.recording_waveform(request, track, samples_per_pixel)

    @router.get("/api/stems/{stem_id}/segments/{index}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @generated_file_responses("audio/*", errors.ACCESS_DENIED, errors.STEM_NOT_FOUND, *SEGMENT_ERRORS)
    async def get_segment(request: Request, stem_id: StemId, index: SegmentIndex) -> Response:
        """Get a part of a stem, or of the mix, as a file that decodes on its own.

        Segment ``i`` has the frames from ``i * segment_frame_count``; each has ``segment_frame_count`` frames, and the last
        one the rest. All segments together have exactly the samples of the stem. They are FLAC, or WAV if the stem has
        32-bit floats.
        """
        return await playback.segment(request, await own_stem(clients, stem_id), index)

    @router.get("/api/stems/{stem_id}/waveform")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "application/octet-stream", errors.ACCESS_DENIED, errors.STEM_NOT_FOUND, *WAVEFORM_ERRORS, redirects=False
    )
    async def get_waveform(
        request: Request, stem_id: StemId, samples_per_pixel: PixelFrames = PIXEL_FRAMES
    ) -> Response:
        """Get the smallest and the largest sample of each pixel of a stem, or of the mix, for drawing.

        The format is version 2 of the data format of ``audiowaveform``: a header of 24 bytes, then two signed bytes for each
        pixel. 128 is full scale. All channels together are one channel, whose extremes are those of any channel.
        """
        return await playback.waveform(request, await own_stem(clients, stem_id), samples_per_pixel)

    @router.get("/api/stems/{stem_id}/spectrogram/{tile}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @generated_file_responses(
        "application/octet-stream",
        errors.ACCESS_DENIED,
        errors.STEM_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.SEGMENT_NOT_FOUND,
        errors.VALIDATION_ERROR,
        errors.TOO_MANY_CONVERSIONS,
    )
    async def get_stem_spectrogram(
        request: Request, stem_id: StemId, tile: TileIndex, columns_per_pixel: PixelColumns = 1
    ) -> Response:
        """Get a tile of the mel spectrogram of a stem, or of the mix: 1024 pixels in time, the last tile fewer.

        A pixel has 64 bytes, one for each band from 30 Hz to 16 kHz (or half the sample rate), equally wide in mel (HTK), the
        lowest first. 0 is -90 dB or less, and 255 is 0 dB, the level of a full-scale sine. Column `i` is centred on frame
        `2048 * i` (hop length 2048, FFT size 4096, Hann window, mean of all channels). With `columns_per_pixel`, each pixel
        has the largest values of so many columns. The first request for a stem computes its spectrogram.
        """
        stem = await own_stem(clients, stem_id)

        async def render() -> None:
            wanted = analysis_pb.RenderSpectrogramRequest(stem_id=stem.id)
            await clients.analysis.RenderSpectrogram(wanted, timeout=SPECTROGRAM_SECONDS)

        return await playback.spectrogram(request, stem, tile, columns_per_pixel, render)

    return router


async def _separations(clients: Clients, track: track_pb2.Track) -> list[job_pb2.Job]:
    """Return the latest finished separations of a track, newest first."""
    asked = pb.ListJobsRequest(
        track_id=track.id,
        kinds=[job_pb2.JOB_KIND_SEPARATION],
        states=[job_pb2.JOB_STATE_SUCCEEDED],
        page_size=_SEPARATION_LIMIT,
    )
    return [job for job in (await clients.jobs.ListJobs(asked)).jobs if _has_stems(job, track)]


def _has_stems(job: job_pb2.Job, track: track_pb2.Track) -> bool:
    """Return whether a job has stems of this track. A deleted track may have had the same ID."""
    is_later = job.create_time.ToMicroseconds() >= track.create_time.ToMicroseconds()
    return job.state == job_pb2.JOB_STATE_SUCCEEDED and job.result.outputs_are_stems and is_later


def _separation_to_wire(job: job_pb2.Job) -> FinishedSeparation:
    stem_types = [stem.name for stem in job.result.outputs]
    completed_at = time_to_wire(job, "finish_time")
    return shaped(job.result, FinishedSeparation, id=job.id, stem_types=stem_types, completed_at=completed_at)

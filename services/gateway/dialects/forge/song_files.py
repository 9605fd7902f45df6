"""Analyses as files for other programs: notes as MIDI, and projects with the stems."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from kit import errors
from kit.errors import AppError
from kit.file_names import safe_title
from services.gateway.callers.access import Access, access
from services.gateway.callers.rate_limits import RateClass
from services.gateway.clients import Gateway
from services.gateway.corrections import corrected
from services.gateway.file_paths import extension
from services.gateway.files.archives import Member, archive_response
from services.gateway.files.daw_projects import Stem, dawproject, metadata, reaper_project
from services.gateway.files.files import attachment
from services.gateway.files.song_midi import song_midi
from services.gateway.job_kinds import analysis_values
from services.gateway.openapi.responses import file_responses
from services.gateway.wire.parameters import TrackId, require_uuid

_NO_NOTES = (
    "The latest analysis of this track has no notes. Request them with POST /api/analysis/analyze and"
    ' "features": ["all"], and wait until the job is completed.'
)


def song_file_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge export"])
    clients = gateway.clients

    @router.get("/export/midi/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "audio/midi",
        errors.ACCESS_DENIED,
        errors.TRACK_NOT_FOUND,
        errors.ANALYSIS_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        ranges=False,
    )
    async def export_midi(track_id: TrackId) -> Response:
        """Download the notes of the latest analysis as a Standard MIDI File of format 1.

        It has a track for each stem that was analysed, or one for the mix. Its tempo follows the beats of the recording, so a
        program that plays the recording beside it stays in time. If the analysis has them, it also contains metres, sections as
        markers, and chords as texts. Bars and chords are as the owner has corrected them.
        """
        track, details = await _analysed(track_id)
        written = await asyncio.to_thread(_midi, track, details)
        headers = {"Content-Disposition": attachment(f"{safe_title(track.title)}.mid")}
        return Response(written, media_type="audio/midi", headers=headers)

    @router.get("/export/project/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "application/zip",
        errors.ACCESS_DENIED,
        errors.TRACK_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.NO_STEMS,
        errors.STEMS_LOST,
        errors.VALIDATION_ERROR,
        ranges=False,
    )
    async def export_project(
        request: Request,
        track_id: TrackId,
        format: Annotated[
            Literal["reaper", "dawproject"],
            Query(
                description="`dawproject` (default): one file, for Bitwig Studio, Cubase, Studio One and others. `reaper`: a ZIP "
                "archive to unpack."
            ),
        ] = "dawproject",
    ) -> Response:
        """Download a project for a digital audio workstation, with the stems of the latest separation as tracks.

        If the track has been analysed, the tempo follows the beats of the recording, and the project has its metres, and its
        sections as markers.
        """
        canonical = require_uuid(track_id, errors.TRACK_NOT_FOUND)
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical, needs_audio=True))).track
        outputs = (await clients.tracks.ListStems(pb.ListStemsRequest(track_id=canonical))).stems
        if not outputs:
            raise errors.NO_STEMS()
        try:
            _, details = await _analysed(canonical)
        except AppError as error:
            if error.reason != "ANALYSIS_NOT_FOUND":
                raise
            details = "{}"
        title = safe_title(track.title)
        folder = "audio/" if format == "dawproject" else ""
        stems = [_stem(output, f"{folder}{output.name}.{extension(output.blob_key)}") for output in outputs]
        root = "" if format == "dawproject" else f"{title}/"
        members = [
            Member(root + name, content=_chunks(content), size_bytes=len(content))
            for name, content in (await asyncio.to_thread(_project, format, track, stems, details)).items()
        ]
        for output, stem in zip(outputs, stems, strict=True):
            info = await gateway.blobs.stat(output.blob_key)
            if info is None:
                raise errors.STEMS_LOST()
            members.append(Member(root + stem.path, output.blob_key, info.size_bytes, info.modify_time))
        filename = f"{title}.dawproject" if format == "dawproject" else f"{title}_reaper.zip"
        return archive_response(request, gateway.blobs, members, filename)

    async def _analysed(track_id: str) -> tuple[track_pb2.Track, str]:
        """Return a track, and the values of its latest analysis as JSON."""
        canonical = require_uuid(track_id, errors.TRACK_NOT_FOUND)
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical, needs_audio=True))).track
        analysis = (await clients.tracks.GetAnalysis(pb.GetAnalysisRequest(track_id=canonical))).analysis
        return track, analysis_values(analysis.details) or "{}"

    return router


def _midi(track: track_pb2.Track, values_json: str) -> bytes:
    values: dict[str, Any] = json.loads(values_json)
    if not values.get("notes"):
        raise errors.ANALYSIS_NOT_FOUND(_NO_NOTES)
    return song_midi(track.title, corrected(values, track.corrections))


def _stem(output: job_pb2.AudioOutput, path: str) -> Stem:
    seconds = output.frame_count / output.sample_rate_hz
    return Stem(output.name, path, seconds, output.sample_rate_hz, output.channel_count)


def _project(format: str, track: track_pb2.Track, stems: list[Stem], values_json: str) -> dict[str, bytes]:
    """Return the files of a project beside its stems."""
    values = corrected(json.loads(values_json), track.corrections)
    if format == "reaper":
        return {f"{safe_title(track.title)}.rpp": reaper_project(stems, values)}
    project = dawproject(importlib.metadata.version("soundwright"), stems, values)
    return {"project.xml": project, "metadata.xml": metadata(track.title, track.artist)}


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content

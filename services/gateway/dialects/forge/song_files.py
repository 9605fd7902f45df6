"""Analyses as files for other programs: notes as MIDI."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from fastapi import APIRouter
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from starlette.responses import Response

from kit import errors
from kit.file_names import safe_title
from services.gateway.callers.access import Access, access
from services.gateway.callers.rate_limits import RateClass
from services.gateway.clients import Gateway
from services.gateway.corrections import corrected
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

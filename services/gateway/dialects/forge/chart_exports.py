"""Exports of an analysis for musicians: chords, a chord sheet and a click track."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.library.v1 import track_pb2
from starlette.responses import Response, StreamingResponse

from kit import errors
from kit.errors import AppError
from kit.file_names import safe_title
from services.gateway.callers.access import Access, access
from services.gateway.callers.rate_limits import RateClass
from services.gateway.clients import Gateway
from services.gateway.corrections import corrected
from services.gateway.files.charts import Sheet, chordpro_text, click_size_bytes, click_track, lab_text
from services.gateway.files.files import attachment
from services.gateway.job_kinds import analysis_values
from services.gateway.openapi.responses import file_responses
from services.gateway.wire.decoding import is_head
from services.gateway.wire.parameters import TrackId, require_uuid

_ERRORS = (errors.ACCESS_DENIED, errors.TRACK_NOT_FOUND, errors.ANALYSIS_NOT_FOUND, errors.AUDIO_NOT_READY)


def chart_export_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/export", tags=["forge export"])

    @router.get("/chords/{track_id}.lab")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/plain", *_ERRORS, ranges=False)
    async def export_chords(track_id: TrackId) -> Response:
        """Download the chords of the latest analysis as a LAB file: start and end in seconds, and the chord in Harte's syntax."""
        track, values = await _analysed(gateway, track_id, "chords", {"chords": "chords"})
        return _text(lab_text(values["chords"]["segments"]), "text/plain", f"{safe_title(track.title)}_chords.lab")

    @router.get("/chords/{track_id}.cho")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("text/vnd.chordpro", *_ERRORS, ranges=False)
    async def export_chord_sheet(track_id: TrackId) -> Response:
        """Download a chord sheet (ChordPro) of the latest analysis: the chords bar by bar, and its sections as comments."""
        track, values = await _analysed(gateway, track_id, "chords, bars and sections", {"chords": "chords"})
        sheet = Sheet(track.title, track.artist, track.key, track.bpm or values.get("tempo"))
        return _text(chordpro_text(sheet, values), "text/vnd.chordpro", f"{safe_title(track.title)}.cho")

    @router.get("/click/{track_id}.wav")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("audio/wav", *_ERRORS, ranges=False)
    async def export_click(request: Request, track_id: TrackId) -> Response:
        """Download a click track of the latest analysis: a WAV file as long as the song that clicks on its beats."""
        track, values = await _analysed(gateway, track_id, "tempo and bars", {"beats": "tempo", "bars": "bars"})
        if not values["beats"]:
            raise errors.ANALYSIS_NOT_FOUND("The analysis found no beats in this track, so there is no click track.")
        duration_seconds = track.duration_seconds
        headers = {
            "Content-Disposition": attachment(f"{safe_title(track.title)}_click.wav"),
            "Content-Length": str(click_size_bytes(duration_seconds)),
        }
        if is_head(request.scope):
            return Response(media_type="audio/wav", headers=headers)
        clicks = click_track(duration_seconds, values["beats"], values["bars"]["downbeats"])
        return StreamingResponse(clicks, media_type="audio/wav", headers=headers)

    return router


async def _analysed(
    gateway: Gateway, track_id: str, wanted: str, needed: Mapping[str, str]
) -> tuple[track_pb2.Track, dict[str, Any]]:
    """Return a track, and the values of its latest analysis with the owner's corrections.

    Args:
        wanted: the features to request, for people.
        needed: the values without which there is no file, and their features.

    Raises:
        AppError: ``ANALYSIS_NOT_FOUND`` if one is missing.
    """
    clients = gateway.clients
    canonical = require_uuid(track_id, errors.TRACK_NOT_FOUND)
    track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical, needs_audio=True))).track
    try:
        analysis = (await clients.tracks.GetAnalysis(pb.GetAnalysisRequest(track_id=canonical))).analysis
    except AppError as error:
        if error.reason != errors.ANALYSIS_NOT_FOUND().reason:
            raise
        values: dict[str, Any] = {}
    else:
        values = await asyncio.to_thread(json.loads, analysis_values(analysis.details) or "{}")
    for value, feature in needed.items():
        if value in values:
            continue
        for each in values.get("unavailable", ()):
            if each["feature"] == feature:
                raise errors.ANALYSIS_NOT_FOUND(f"This track has no {feature}: {each['message']}")
        raise errors.ANALYSIS_NOT_FOUND(
            f"The latest analysis of this track has no {feature}. Analyse the track with the features {wanted}"
            " (POST /api/analysis/analyze), then try again."
        )
    return track, corrected(values, track.corrections)


def _text(text: str, media_type: str, filename: str) -> Response:
    return Response(
        text, media_type=f"{media_type}; charset=utf-8", headers={"Content-Disposition": attachment(filename)}
    )

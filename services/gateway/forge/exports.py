"""Exports and files: stems, archives, analysis as a file, ``/files``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response, StreamingResponse
from typing_extensions import TypedDict

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import Uuid, answers, sends
from services.gateway.archive import Member, stream_zip
from services.gateway.clients import Clients, Gateway
from services.gateway.edge import is_head
from services.gateway.files import attachment, blob_response, safe_title
from services.gateway.forge.jobs import own_job
from services.gateway.forge.shapes import AnalysisValues
from services.gateway.forge.tracks import own_track
from services.gateway.forge.wire import extension, json_text, splice, stem_file_path
from services.gateway.params import StemId, TrackId, require_uuid
from services.gateway.reencoding import WavFormat, reencoded_response

__all__ = ["export_routes"]

_FILE_PATH = "downloads/0f8fad5b-d9cb-469f-a165-70867728950e/the-weeknd-blinding-lights.flac"


class ExportedAnalysis(TypedDict):
    """The latest analysis of a track."""

    track_id: Uuid
    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    analysis: AnalysisValues


def export_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge export"])
    clients, blobs = gateway.clients, gateway.blobs

    @router.get("/export/stem/{stem_id}")
    @sends(
        "audio/*", refusals.ACCESS_DENIED, refusals.STEM_NOT_FOUND, refusals.FILE_NOT_FOUND, refusals.VALIDATION_ERROR
    )
    async def export_stem(
        request: Request,
        stem_id: StemId,
        format: Annotated[
            WavFormat | None, Query(description="convert it to WAV with these samples; it comes as a whole then")
        ] = None,
    ) -> Response:
        """One stem as a file; with ``format``, as WAV of that sample format."""
        answer = await clients.tracks.GetStem(pb.GetStemRequest(stem_id=require_uuid(stem_id, "stem")))
        stem = answer.stem
        if format is not None:
            headers = {"Content-Disposition": attachment(f"{stem.name}.wav")}
            if is_head(request.scope):
                return Response(media_type="audio/wav", headers=headers)
            return await reencoded_response(gateway, stem.blob_key, format, headers)
        return await blob_response(
            request,
            blobs,
            stem.blob_key,
            content_type=stem.content_type,
            filename=f"{stem.name}.{extension(stem.blob_key)}",
        )

    @router.get("/export/stems/{track_id}")
    @sends(
        "application/zip",
        refusals.ACCESS_DENIED,
        refusals.TRACK_NOT_FOUND,
        refusals.NO_STEMS,
        refusals.STEMS_LOST,
        ranges=False,
    )
    async def export_stems(track_id: TrackId) -> Response:
        """All stems of a track's latest separation, in a ZIP archive."""
        canonical = require_uuid(track_id, "track")
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical))).track
        stems = (await clients.tracks.ListStems(pb.ListStemsRequest(track_id=canonical))).stems
        if not stems:
            raise AppError(Code.NOT_FOUND, "NO_STEMS", "This track has no stems. Start a separation first.")
        title = safe_title(track.title)
        members = [await _member(gateway, stem, f"{title} - {stem.name}") for stem in stems]
        headers = {"Content-Disposition": attachment(f"{title}_stems.zip")}
        return StreamingResponse(stream_zip(blobs, members), media_type="application/zip", headers=headers)

    @router.get("/export/analysis/{track_id}")
    @answers(
        ExportedAnalysis,
        refusals.ACCESS_DENIED,
        refusals.TRACK_NOT_FOUND,
        refusals.ANALYSIS_NOT_FOUND,
        headers=("Content-Disposition",),
    )
    async def export_analysis(track_id: TrackId) -> Response:
        """The latest analysis of a track as a JSON file."""
        canonical = require_uuid(track_id, "track")
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=canonical))).track
        analysis = (await clients.tracks.GetAnalysis(pb.GetAnalysisRequest(track_id=canonical))).analysis
        head = {"track_id": track.id, "title": track.title, "artist": track.artist or None}
        text = splice(head, '{"analysis":' + (analysis.values_json or "{}") + "}")
        return json_text(text, {"Content-Disposition": attachment(f"{safe_title(track.title)}_analysis.json")})

    @router.get("/files/{path:path}")
    @sends("audio/*", refusals.ACCESS_DENIED, refusals.TRACK_NOT_FOUND, refusals.JOB_NOT_FOUND, refusals.FILE_NOT_FOUND)
    async def get_file(
        request: Request,
        path: Annotated[str, Path(description="As `file_path` of a track or stem has it.", examples=[_FILE_PATH])],
    ) -> Response:
        """The file of a track or stem, at the path that its record names."""
        content_type, key = await _resolve(clients, f"/files/{path}")
        filename = path.rpartition("/")[2]
        return await blob_response(request, blobs, key, content_type=content_type, filename=filename, inline=True)

    return router


async def _resolve(clients: Clients, path: str) -> tuple[str, str]:
    """Content type and key of what lies at a public path, if the caller may have it.

    Paths are looked up in records, never in the store, so there is no way out of a folder.
    """
    not_found = AppError(Code.NOT_FOUND, "FILE_NOT_FOUND", "There is no such file.")
    parts = path.split("/")
    if len(parts) != 5:
        raise not_found
    kind, owner_id = parts[2:4]
    if kind == "downloads":
        track = await own_track(clients, owner_id)
        # The name at the end is for people: a player goes on when the track gets another one.
        if extension(path) == extension(track.blob_key):
            return track.content_type, track.blob_key
    elif kind == "stems":
        job = await own_job(clients, owner_id, job_pb2.JOB_KIND_SEPARATION)
        for stem in job.result.outputs:
            if stem_file_path(stem) == path:
                return stem.content_type, stem.blob_key
    raise not_found


async def _member(gateway: Gateway, stem: job_pb2.AudioOutput, name: str) -> Member:
    info = await gateway.blobs.stat(stem.blob_key)
    if info is None:
        raise AppError(Code.UNPROCESSABLE, "FILE_NOT_FOUND", "Stem files could not be read. Separate the track again.")
    return Member(f"{name}.{extension(stem.blob_key)}", stem.blob_key, info.size_bytes, info.modify_time)

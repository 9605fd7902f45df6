"""Exports and files: stems, archives, analyses as files, and ``/files``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.file_names import file_title, safe_title
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.separation.v1 import jobs_pb2
from soundwright.separation.v1 import separation_service_pb2 as separation_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Clients, Gateway
from soundwright.services.gateway.dialects.forge.serializers import data, json_text, splice, started
from soundwright.services.gateway.dialects.forge.shapes import AnalysisValues, Data, Started
from soundwright.services.gateway.file_paths import extension, stem_file_path
from soundwright.services.gateway.files.archives import Member, archive_response
from soundwright.services.gateway.files.files import attachment, blob_response
from soundwright.services.gateway.files.reencoding import DownloadFormat
from soundwright.services.gateway.job_kinds import PublicFile, job_kind, unpacked
from soundwright.services.gateway.job_views import JobStatus, error_text, progress, progress_message, status
from soundwright.services.gateway.openapi.responses import Bytes, Percent, Uuid, documented, file_responses
from soundwright.services.gateway.records import find_track, own_job, own_stem, own_track
from soundwright.services.gateway.wire.parameters import (
    IdempotencyKey,
    JobId,
    StemId,
    TrackId,
    body_of,
    body_schema,
    require_uuid,
)

_FILE_PATH = "downloads/0f8fad5b-d9cb-469f-a165-70867728950e/the-weeknd-blinding-lights.flac"


class ExportedAnalysis(TypedDict):
    """What the analyses of a track measured."""

    track_id: Uuid
    title: Annotated[str, Field(examples=["Blinding Lights"])]
    artist: Annotated[str | None, Field(examples=["The Weeknd"])]
    analysis: AnalysisValues


class ExportParameters(BaseModel):
    """The stems to export, and their format."""

    track_id: str = Field(
        min_length=1, description="The track's ID.", examples=["0f8fad5b-d9cb-469f-a165-70867728950e"]
    )
    format: str = Field(
        "",
        max_length=20,
        description="`flac` (default), `wav16`, `wav24`, `wav32f`, `mp3` or `m4a`: a ZIP archive of stems. `stem_mp4` (AAC) or "
        "`stem_mp4_alac`: one file with the mix and four stems, for programs for DJs.",
        examples=["wav16"],
    )
    separation_id: str = Field(
        "",
        max_length=64,
        description="The separation whose stems are exported: the ID of its job. Default: the latest one.",
    )


class ExportStarted(Started):
    """An export that was accepted."""

    format: Annotated[str, Field(examples=["wav16"])]


class Export(TypedDict):
    """An export of stems."""

    id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    message: Annotated[str | None, Field(description="The current step.")]
    format: Annotated[str, Field(examples=["wav16"])]
    download_url: Annotated[
        str | None,
        Field(
            description="Path of the file. Null until completed.",
            examples=["/export/archive/0f8fad5b-d9cb-469f-a165-70867728950e"],
        ),
    ]
    file_size: Annotated[Bytes | None, Field(examples=[17640512])]
    error: Annotated[str | None, Field(description="Why the job failed.")]


def export_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["forge export"])
    clients, blobs = gateway.clients, gateway.blobs

    @router.get("/export/stem/{stem_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "audio/*",
        errors.ACCESS_DENIED,
        errors.STEM_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.VALIDATION_ERROR,
        errors.TOO_MANY_CONVERSIONS,
    )
    async def export_stem(
        request: Request,
        stem_id: StemId,
        format: Annotated[
            DownloadFormat | None, Query(description="Convert the stem to this format. Disables range requests.")
        ] = None,
    ) -> Response:
        """Download a stem, in its stored format or converted. The filename has the song, the stem, the tempo and the key.

        Converted FLAC, MP3 and M4A files have the tags and the cover of the track.
        """
        stem = await own_stem(clients, stem_id)
        track = await find_track(clients, stem.track_id)
        title = stem.name if track is None else _part(track, stem)
        if format is not None:
            return await gateway.reencoder.response(request, stem, format, title, track or track_pb2.Track())
        return await blob_response(
            request,
            blobs,
            stem.blob_key,
            content_type=stem.content_type,
            filename=f"{title}.{extension(stem.blob_key)}",
        )

    @router.get("/export/stems/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "application/zip",
        errors.ACCESS_DENIED,
        errors.TRACK_NOT_FOUND,
        errors.NO_STEMS,
        errors.AUDIO_NOT_READY,
        errors.STEMS_LOST,
        ranges=False,
    )
    async def export_stems(request: Request, track_id: TrackId) -> Response:
        """Download all stems of a track's latest separation as a ZIP archive."""
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id, needs_audio=True))).track
        stems = (await clients.tracks.ListStems(pb.ListStemsRequest(track_id=track_id))).stems
        if not stems:
            raise errors.NO_STEMS()
        title = safe_title(track.title)
        members = [await _member(gateway, stem, _part(track, stem)) for stem in stems]
        return archive_response(request, blobs, members, f"{title}_stems.zip")

    @router.post("/api/export/stems", openapi_extra=body_schema(ExportParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[ExportStarted],
        errors.TRACK_NOT_FOUND,
        errors.JOB_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        errors.NO_STEMS,
        errors.TOO_MANY_PENDING,
        errors.QUEUE_FULL,
        errors.VALIDATION_ERROR,
        status=201,
        idempotent=True,
    )
    async def start_export(
        parameters: Annotated[ExportParameters, Depends(body_of(ExportParameters))], idempotency_key: IdempotencyKey
    ) -> Response:
        """Start an export, which encodes the stems of a track in another format and stores them as a ZIP archive or a stem file.

        All files begin at the start of the song and have the same length, so they can be dragged into a DAW together. A stem
        file (`stem_mp4`) needs drums, bass, vocals and other stems.
        """
        track = await own_track(clients, parameters.track_id, needs_audio=True)
        answer = await clients.separation.CreateExportJob(
            separation_pb.CreateExportJobRequest(
                track_id=track.id,
                format=parameters.format,
                idempotency_key=idempotency_key,
                separation_id=require_uuid(parameters.separation_id, errors.JOB_NOT_FOUND)
                if parameters.separation_id
                else "",
            )
        )
        return started(answer, format=_format(answer.job))

    @router.get("/api/export/job/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Export], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_export(job_id: JobId) -> Response:
        """Get the status of an export, and the path of its file once it is completed."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_EXPORT)
        file = job_kind(job.kind).result_file(job, None) if job.HasField("result") else PublicFile()
        export: Export = {
            "id": job.id,
            "track_id": job.track_id,
            "status": status(job),
            "progress": progress(job),
            "message": progress_message(job),
            "format": _format(job),
            "download_url": file.path,
            "file_size": file.size_bytes,
            "error": error_text(job),
        }
        return data(export)

    @router.get("/export/archive/{job_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses("*/*", errors.ACCESS_DENIED, errors.JOB_NOT_FOUND, errors.FILE_NOT_FOUND)
    async def export_archive(request: Request, job_id: JobId) -> Response:
        """Download the file of a completed export: a ZIP archive, or a stem file (`audio/mp4`). Supports range requests."""
        job = await own_job(clients, job_id, job_pb2.JOB_KIND_EXPORT)
        if not job.result.outputs:
            raise errors.FILE_NOT_FOUND("The export is not completed, so it has no file yet.")
        file = job.result.outputs[0]
        track = await find_track(clients, job.track_id)
        title = safe_title(track.title) if track is not None else "track"
        is_archive = file.content_type == "application/zip"
        filename = f"{title}_stems_{_format(job)}.zip" if is_archive else f"{title}.stem.mp4"
        return await blob_response(request, blobs, file.blob_key, content_type=file.content_type, filename=filename)

    @router.get("/export/analysis/{track_id}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @documented(
        ExportedAnalysis,
        errors.ACCESS_DENIED,
        errors.TRACK_NOT_FOUND,
        errors.ANALYSIS_NOT_FOUND,
        errors.AUDIO_NOT_READY,
        headers=("Content-Disposition",),
    )
    async def export_analysis(track_id: TrackId) -> Response:
        """Download what the analyses of a track measured as a JSON file, as `GET /api/analysis/{track_id}`."""
        track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id, needs_audio=True))).track
        analysis = (await clients.tracks.GetAnalysis(pb.GetAnalysisRequest(track_id=track_id))).analysis
        head = {"track_id": track.id, "title": track.title, "artist": track.artist or None}
        text = splice(head, '{"analysis":' + analysis.values_json + "}")
        return json_text(text, {"Content-Disposition": attachment(f"{safe_title(track.title)}_analysis.json")})

    @router.get("/files/{path:path}")
    @access(Access.ACCOUNT, RateClass.FILES)
    @file_responses(
        "audio/*",
        errors.ACCESS_DENIED,
        errors.TRACK_NOT_FOUND,
        errors.JOB_NOT_FOUND,
        errors.FILE_NOT_FOUND,
        errors.AUDIO_NOT_READY,
    )
    async def get_file(
        request: Request,
        path: Annotated[
            str, Path(description="The `file_path` of a track or stem, without `/files/`.", examples=[_FILE_PATH])
        ],
    ) -> Response:
        """Download the file of a track or stem. Supports range requests."""
        content_type, key = await _resolve(clients, f"/files/{path}")
        filename = path.rpartition("/")[2]
        return await blob_response(request, blobs, key, content_type=content_type, filename=filename, inline=True)

    return router


def _part(track: track_pb2.Track, stem: job_pb2.AudioOutput) -> str:
    return file_title(track.title, stem.name, track.bpm if track.HasField("bpm") else None, track.key)


def _format(job: job_pb2.Job) -> str:
    return unpacked(job.spec, jobs_pb2.ExportSpec).format


async def _resolve(clients: Clients, path: str) -> tuple[str, str]:
    """Return the content type and the blob key of the file at a public path, if the caller may read it.

    The path selects a record of the library and is never used as a blob key, so path traversal is not possible.
    """
    not_found = errors.FILE_NOT_FOUND()
    parts = path.split("/")
    if len(parts) != 5:
        raise not_found
    kind, owner_id = parts[2:4]
    if kind == "downloads":
        track = await own_track(clients, owner_id, needs_audio=True)
        # The file name is not compared, so that old links work after the track is renamed.
        if extension(path) == extension(track.blob_key):
            return track.content_type, track.blob_key
    elif kind == "stems":
        job = await own_job(clients, owner_id, job_pb2.JOB_KIND_SEPARATION)
        for stem in (*job.result.outputs, job.result.mix):
            if stem_file_path(stem) == path:
                return stem.content_type, stem.blob_key
    raise not_found


async def _member(gateway: Gateway, stem: job_pb2.AudioOutput, name: str) -> Member:
    info = await gateway.blobs.stat(stem.blob_key)
    if info is None:
        raise errors.STEMS_LOST()
    return Member(f"{name}.{extension(stem.blob_key)}", stem.blob_key, info.size_bytes, info.modify_time)

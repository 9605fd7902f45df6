"""All routes of the pipeline dialect."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Union

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.separation.v1 import separation_service_pb2 as separation_pb
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from kit.errors import AppError, Code
from kit.pipeline import PIPELINE_STAGES
from services.gateway.clients import Gateway
from services.gateway.dialects.pipeline.serializers import (
    Outputs,
    PipelineConfig,
    PipelineJob,
    documented_outputs,
    job_to_wire,
    outputs_to_wire,
)
from services.gateway.http.access import Access, access
from services.gateway.http.archives import Member, archive_response
from services.gateway.http.files import blob_response
from services.gateway.http.health import UNHEALTHY, HealthReport
from services.gateway.http.parameters import IdempotencyKey, JobId, require_uuid
from services.gateway.http.problems import Problem
from services.gateway.http.rate_limits import RateClass
from services.gateway.http.uploads import UploadPolicy
from services.gateway.openapi import refusals
from services.gateway.openapi.responses import BINARY, documented, file_responses, route_doc

JobView = Callable[[library_pb.GetJobResponse], Response]
"""Returns the response of ``GET /job/{id}`` for one kind of job."""

_API_VERSION = "1.0.0"
_NO_JOB = Problem(404, "JOB_NOT_FOUND", "Job not found")
_NO_TRACK = Problem(404, "TRACK_NOT_FOUND", "Track not found")
_NO_OUTPUTS = Problem(404, "NO_OUTPUTS", "The job is not complete")
_NO_FILENAME = Problem(400, "NO_FILENAME", "No filename provided")
_UNREADABLE = Problem(
    400,
    "AUDIO_UNREADABLE",
    "This is not a supported audio file. The supported formats are WAV, FLAC, MP3, Ogg Vorbis, Opus, M4A/AAC, AIFF, AU, CAF and WebM/Matroska.",
)
_UNSUPPORTED = Problem(500, "FORMAT_UNSUPPORTED", "Unsupported audio format:.txt")
_FORMATS = ("wav", "mp3", "flac", "ogg")
_MAX_FILE_MB = 500
_ENGINE_HEADERS = ("X-Soundwright-Engine", "X-Soundwright-Model", "X-Soundwright-Degraded")
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {**BINARY, "description": f"The audio file: {', '.join(_FORMATS)}."}},
                }
            }
        },
    }
}


def pipeline_only_routes(gateway: Gateway) -> APIRouter:
    """Return the routes of a listener that serves only this dialect, with its own ``GET /health``."""
    router = APIRouter()

    @router.get("/health", tags=["operations"])
    @access(Access.PUBLIC)
    @documented(HealthReport, responses={503: UNHEALTHY})
    async def get_health() -> Response:
        """Check the health of the platform. Returns 503 until all components respond."""
        return gateway.health.response("healthy", _API_VERSION)

    router.routes.extend(pipeline_routes(gateway, {job_pb2.JOB_KIND_PIPELINE: pipeline_job_view(gateway)}).routes)
    return router


def pipeline_job_view(gateway: Gateway) -> JobView:
    """Return the view of pipeline jobs."""

    @documented(PipelineJob)
    def view(answer: library_pb.GetJobResponse) -> Response:
        return JSONResponse(job_to_wire(answer.job, gateway.blobs), headers=engine_headers(answer.job))

    return view


def _response_model(views: Iterable[JobView]) -> Any:
    """Return the union of the response types of ``views``."""
    docs = filter(None, map(route_doc, views))
    return Union[tuple(doc.responses[200].model for doc in docs)]  # noqa: UP007 (a union of a variable number of types)


def engine_headers(job: job_pb2.Job) -> dict[str, str]:
    """Return headers that name the engine and the models of a job. The contract has no fields for them."""
    if not job.HasField("result"):
        return {}
    headers = {"X-Soundwright-Engine": job.result.engine, "X-Soundwright-Model": job.result.model}
    return headers | (
        {"X-Soundwright-Degraded": f"{job.result.requested_model} was requested"} if job.result.degraded else {}
    )


def pipeline_routes(gateway: Gateway, views: Mapping[job_pb2.JobKind.ValueType, JobView]) -> APIRouter:
    """Return the routes of the default listener.

    Args:
        views: by kind of job, the responses of ``GET /job/{id}``. Jobs of other kinds get 404.
    """
    router = APIRouter(tags=["pipeline jobs"])
    clients, blobs = gateway.clients, gateway.blobs
    policy = UploadPolicy(
        dialect="pipeline",
        check_filename=_check_filename,
        missing=_missing_file,
        too_large=_too_large,
        size_limit_bytes=_MAX_FILE_MB * 1024**2,
        allowed_containers=_FORMATS,
    )

    async def pipeline_job(job_id: str, message: str) -> job_pb2.Job:
        job: job_pb2.Job = (await _find_job(gateway, job_id, message)).job
        if job.kind != job_pb2.JOB_KIND_PIPELINE:
            raise HTTPException(404, message)
        return job

    @router.get("/config")
    @access(Access.PUBLIC)
    @documented(PipelineConfig)
    async def get_config() -> Response:
        """Get the configuration. It contains the size limit, the supported formats and the stages."""
        body: PipelineConfig = {
            "max_file_size_mb": _MAX_FILE_MB,
            "supported_formats": list(_FORMATS),
            "pipeline_stages": [
                {"name": stage.name, "processor_type": stage.processor_type} for stage in PIPELINE_STAGES
            ],
        }
        return JSONResponse(body)

    @router.post("/process", openapi_extra=_UPLOAD_BODY)
    @access(Access.OPEN, RateClass.POLLING)  # the contract has no limit; that of unfinished jobs applies
    @documented(PipelineJob, refusals.TOO_MANY_PENDING, refusals.QUEUE_FULL, _NO_FILENAME, _UNREADABLE, _UNSUPPORTED)
    async def process(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Upload a file and start a job. The job runs the four stages; poll `GET /job/{job_id}` for its status."""
        try:
            track, _ = await gateway.uploads.receive(request, policy)
        except HTTPException as error:
            # The contract treats a body of another type as a form without a file.
            raise _missing_file() if error.status_code == 415 else error from None
        try:
            answer = await clients.separation.CreatePipelineJob(
                separation_pb.CreatePipelineJobRequest(track_id=track.id, idempotency_key=idempotency_key)
            )
        except AppError:
            await _discard_unused(gateway, track.id)
            raise
        if answer.job.track_id != track.id:  # an earlier request with the same key uploaded the same recording
            await _discard_unused(gateway, track.id)
        return JSONResponse(job_to_wire(answer.job, blobs))

    @router.get("/job/{job_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(_response_model(views.values()), _NO_JOB, headers=_ENGINE_HEADERS)
    async def get_job_by_kind(job_id: JobId) -> Response:
        """Get a job. Returns its status, its stages and, once it is completed, its outputs."""
        answer = await _find_job(gateway, job_id, "Job not found", with_position=True)
        if answer.job.kind not in views:
            raise HTTPException(404, "Job not found")
        return views[answer.job.kind](answer)

    @router.get("/job/{job_id}/outputs")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Outputs, _NO_JOB)
    async def get_outputs(job_id: JobId) -> Response:
        """List the outputs of a job. The list is empty until the job is completed."""
        return JSONResponse(outputs_to_wire(await pipeline_job(job_id, "Job not found"), blobs))

    @router.get("/download/{job_id}/all")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("application/zip", _NO_JOB, _NO_OUTPUTS, _NO_TRACK, ranges=False)
    async def download_outputs(request: Request, job_id: JobId) -> Response:
        """Download all outputs of a completed job as a ZIP archive."""
        job = await pipeline_job(job_id, "Job not found")
        outputs = documented_outputs(job)
        if not outputs:
            raise HTTPException(
                404, "The job has no outputs" if job.HasField("finish_time") else "The job is not complete"
            )
        members = []
        for output in outputs:
            info = await blobs.stat(output.blob_key)
            if info is None:
                raise HTTPException(404, "Track not found")
            members.append(Member(output.path, output.blob_key, info.size_bytes, info.modify_time))
        return archive_response(request, blobs, members, f"audio_tracks_{job.id}.zip")

    @router.get("/download/{job_id}/{track_name}")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("audio/wav", _NO_TRACK, redirects=False)
    async def download_output(
        request: Request,
        job_id: JobId,
        track_name: Annotated[
            str, Path(description="The name of the output, as listed in `outputs` of the job.", examples=["vocals"])
        ],
    ) -> Response:
        """Download one output of a completed job."""
        job = await pipeline_job(job_id, "Track not found")
        output = next((output for output in job.result.outputs if output.name == track_name), None)
        if output is None:
            raise HTTPException(404, "Track not found")
        return await blob_response(
            request,
            blobs,
            output.blob_key,
            content_type="audio/wav",
            filename=f"{output.name}.wav",
            redirect=False,  # the contract's own client, curl without -L, does not follow redirects
        )

    return router


async def _discard_unused(gateway: Gateway, track_id: str) -> None:
    """Delete an upload unless a job uses it. A failed call may have created a job although its response was lost."""
    with contextlib.suppress(AppError):
        jobs = await gateway.clients.jobs.ListJobs(library_pb.ListJobsRequest(track_id=track_id, page_size=1))
        if not jobs.total_count:
            await gateway.clients.tracks.DeleteTrack(library_pb.DeleteTrackRequest(track_id=track_id))


async def _find_job(
    gateway: Gateway, job_id: str, message: str, *, with_position: bool = False
) -> library_pb.GetJobResponse:
    """Return a job of the caller.

    Raises:
        HTTPException: 404 if there is no such job, or it belongs to another user.
    """
    try:
        request = library_pb.GetJobRequest(job_id=require_uuid(job_id, "job"), with_position=with_position)
        answer: library_pb.GetJobResponse = await gateway.clients.jobs.GetJob(request)
    except AppError as error:
        if error.code in (Code.NOT_FOUND, Code.PERMISSION_DENIED):
            raise HTTPException(404, message) from None
        raise
    return answer


def _check_filename(filename: str) -> None:
    """Raise 400 for an empty filename and 500 for an unsupported extension, as the contract prescribes."""
    if not filename:
        raise HTTPException(400, "No filename provided")
    basename = filename.replace("\\", "/").rpartition("/")[2]
    suffix = f".{basename.rpartition('.')[2].lower()}" if "." in basename else ""
    if suffix.removeprefix(".") not in _FORMATS:
        raise HTTPException(500, f"Unsupported audio format:{suffix}")


def _missing_file() -> Exception:
    return RequestValidationError(
        [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}]
    )


def _too_large(limit_bytes: int) -> Exception:
    return HTTPException(413, f"File too large. The limit is {limit_bytes // 1024**2} MB.")

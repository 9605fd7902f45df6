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
from starlette.responses import JSONResponse, Response, StreamingResponse

from kit.errors import AppError, Code
from services.gateway.answers import BINARY, answers, described, sends
from services.gateway.archive import Member, stream_zip
from services.gateway.clients import Gateway
from services.gateway.files import attachment, blob_response
from services.gateway.health import UNHEALTHY, HealthReport
from services.gateway.params import IdempotencyKey, JobId, require_uuid
from services.gateway.pipeline.wire import (
    STAGES,
    Outputs,
    PipelineConfig,
    PipelineJob,
    documented_outputs,
    job_to_wire,
    outputs_to_wire,
)
from services.gateway.problem import Problem
from services.gateway.uploads import UploadPolicy

__all__ = ["JobView", "pipeline_health_routes", "pipeline_job_view", "pipeline_routes"]

JobView = Callable[[library_pb.GetJobResponse], Response]
"""One kind of job as ``GET /job/{id}`` answers it."""

_API_VERSION = "1.0.0"
_NO_JOB = Problem(404, "JOB_NOT_FOUND", "Job not found")
_NO_TRACK = Problem(404, "TRACK_NOT_FOUND", "Track not found")
_NO_OUTPUTS = Problem(404, "NO_OUTPUTS", "The job is not done")
_NO_FILENAME = Problem(400, "NO_FILENAME", "No filename provided")
_UNREADABLE = Problem(400, "AUDIO_UNREADABLE", "This is no supported audio file.")
_UNSUPPORTED = Problem(500, "FORMAT_UNSUPPORTED", "Unsupported audio format:.txt")
_FORMATS = ("wav", "mp3", "flac", "ogg")
_MAX_FILE_MB = 500
_MAKER_HEADERS = ("X-Soundwright-Engine", "X-Soundwright-Model", "X-Soundwright-Degraded")
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {**BINARY, "description": ", ".join(_FORMATS)}},
                }
            }
        },
    }
}


def pipeline_health_routes(gateway: Gateway) -> APIRouter:
    """``GET /health`` as this dialect words it, for the listener that speaks it alone."""
    router = APIRouter(tags=["operations"])

    @router.get("/health")
    @answers(HealthReport, also={503: UNHEALTHY})
    async def get_health() -> Response:
        """Whether the stack can take work: 200 once it can."""
        return gateway.health.answer("healthy", _API_VERSION)

    return router


def pipeline_job_view(gateway: Gateway) -> JobView:
    @answers(PipelineJob)
    def view(answer: library_pb.GetJobResponse) -> Response:
        return JSONResponse(job_to_wire(answer.job, gateway.blobs), headers=_maker(answer.job))

    return view


def _shapes_of(views: Iterable[JobView]) -> Any:
    """What ``GET /job/{id}`` may look like."""
    said = filter(None, map(described, views))
    return Union[tuple(what.answers[200].shape for what in said)]  # noqa: UP007 (of as many as there are)


def _maker(job: job_pb2.Job) -> dict[str, str]:
    """Which engine and model did it, and whether another one was asked for: the contract's bodies have no place for it."""
    if not job.HasField("result"):
        return {}
    maker = {"X-Soundwright-Engine": job.result.engine, "X-Soundwright-Model": job.result.model}
    return maker | (
        {"X-Soundwright-Degraded": f"{job.result.requested_model} was asked for"} if job.result.degraded else {}
    )


def pipeline_routes(gateway: Gateway, views: Mapping[job_pb2.JobKind, JobView]) -> APIRouter:
    """The routes; ``views`` says which kinds of jobs ``GET /job/{id}`` knows, and how it shows them."""
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

    async def pipeline_job(job_id: str, refusal: str) -> job_pb2.Job:
        job: job_pb2.Job = (await _find_job(gateway, job_id, refusal)).job
        if job.kind != job_pb2.JOB_KIND_PIPELINE:
            raise HTTPException(404, refusal)
        return job

    @router.get("/config")
    @answers(PipelineConfig)
    async def get_config() -> Response:
        """Limits, formats and stages."""
        body: PipelineConfig = {
            "max_file_size_mb": _MAX_FILE_MB,
            "supported_formats": list(_FORMATS),
            "pipeline_stages": [{"name": name, "processor_type": kind} for name, kind in STAGES],
        }
        return JSONResponse(body)

    @router.post("/process", openapi_extra=_UPLOAD_BODY)
    @answers(PipelineJob, _NO_FILENAME, _UNREADABLE, _UNSUPPORTED)
    async def process(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Upload a recording and run the four stages on it."""
        try:
            track = await gateway.uploads.receive(request, policy)
        except HTTPException as error:
            # A body that is no form has no file in it either, and that is what the contract says about it.
            raise _missing_file() if error.status_code == 415 else error from None
        try:
            answer = await clients.separation.CreatePipelineJob(
                separation_pb.CreatePipelineJobRequest(track_id=track.id, idempotency_key=idempotency_key)
            )
        except AppError:
            await _discard_unused(gateway, track.id)
            raise
        if answer.job.track_id != track.id:  # an earlier request with the same key has brought the same recording
            await _discard_unused(gateway, track.id)
        return JSONResponse(job_to_wire(answer.job, blobs))

    @router.get("/job/{job_id}")
    @answers(_shapes_of(views.values()), _NO_JOB, headers=_MAKER_HEADERS)
    async def get_job_by_kind(job_id: JobId) -> Response:
        """How a job is going."""
        answer = await _find_job(gateway, job_id, "Job not found", with_position=True)
        if answer.job.kind not in views:
            raise HTTPException(404, "Job not found")
        return views[answer.job.kind](answer)

    @router.get("/job/{job_id}/outputs")
    @answers(Outputs, _NO_JOB)
    async def get_outputs(job_id: JobId) -> Response:
        """Where the outputs of a job lie; none while it runs."""
        return JSONResponse(outputs_to_wire(await pipeline_job(job_id, "Job not found"), blobs))

    @router.get("/download/{job_id}/all")
    @sends("application/zip", _NO_JOB, _NO_OUTPUTS, _NO_TRACK, ranges=False)
    async def download_outputs(job_id: JobId) -> Response:
        """All outputs of a completed job, in a ZIP archive."""
        job = await pipeline_job(job_id, "Job not found")
        outputs = documented_outputs(job)
        if not outputs:
            raise HTTPException(404, "The job has no outputs" if job.HasField("finish_time") else "The job is not done")
        members = []
        for output in outputs:
            info = await blobs.stat(output.blob_key)
            if info is None:
                raise HTTPException(404, "Track not found")
            members.append(Member(output.path, output.blob_key, info.size_bytes, info.modify_time))
        headers = {"Content-Disposition": attachment(f"audio_tracks_{job.id}.zip")}
        return StreamingResponse(stream_zip(blobs, members), media_type="application/zip", headers=headers)

    @router.get("/download/{job_id}/{track_name}")
    @sends("audio/wav", _NO_TRACK)
    async def download_output(
        request: Request,
        job_id: JobId,
        track_name: Annotated[str, Path(description="As the outputs of the job name it.", examples=["vocals"])],
    ) -> Response:
        """One output of a completed job."""
        job = await pipeline_job(job_id, "Track not found")
        output = next((output for output in job.result.outputs if output.name == track_name), None)
        if output is None:
            raise HTTPException(404, "Track not found")
        return await blob_response(
            request, blobs, output.blob_key, content_type="audio/wav", filename=f"{output.name}.wav"
        )

    return router


async def _discard_unused(gateway: Gateway, track_id: str) -> None:
    """Remove an upload, unless it has a job after all: of a call that failed, only the answer may be lost."""
    with contextlib.suppress(AppError):
        jobs = await gateway.clients.jobs.ListJobs(library_pb.ListJobsRequest(track_id=track_id, page_size=1))
        if not jobs.total_count:
            await gateway.clients.tracks.DeleteTrack(library_pb.DeleteTrackRequest(track_id=track_id))


async def _find_job(
    gateway: Gateway, job_id: str, refusal: str, *, with_position: bool = False
) -> library_pb.GetJobResponse:
    """A job that the caller may see; for anybody else it does not exist."""
    try:
        request = library_pb.GetJobRequest(job_id=require_uuid(job_id, "job"), with_position=with_position)
        answer: library_pb.GetJobResponse = await gateway.clients.jobs.GetJob(request)
    except AppError as error:
        if error.code in (Code.NOT_FOUND, Code.PERMISSION_DENIED):
            raise HTTPException(404, refusal) from None
        raise
    return answer


def _check_filename(filename: str) -> None:
    if not filename:
        raise HTTPException(400, "No filename provided")
    last = filename.replace("\\", "/").rpartition("/")[2]
    suffix = f".{last.rpartition('.')[2].lower()}" if "." in last else ""
    if suffix.removeprefix(".") not in _FORMATS:
        # A refusal of the client's file as a server error: so the contract has it.
        raise HTTPException(500, f"Unsupported audio format:{suffix}")


def _missing_file() -> Exception:
    return RequestValidationError(
        [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}]
    )


def _too_large(limit_bytes: int) -> Exception:
    return HTTPException(413, f"File too large. The limit is {limit_bytes // 1024**2} MB.")

"""All routes of the pipeline dialect."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Union

from fastapi import APIRouter, Path, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse, Response

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code
from soundwright.kit.pipeline import PIPELINE_STAGES
from soundwright.kit.ports import Blobs
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.separation.v1 import separation_service_pb2 as separation_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.pipeline.serializers import (
    Outputs,
    PipelineConfig,
    PipelineJob,
    documented_outputs,
    job_to_wire,
    outputs_to_wire,
)
from soundwright.services.gateway.edge.health import UNHEALTHY, HealthReport
from soundwright.services.gateway.files.archives import Member, archive_response
from soundwright.services.gateway.files.files import blob_response
from soundwright.services.gateway.files.uploads import RECORDING_ERRORS, UploadPolicy
from soundwright.services.gateway.openapi.responses import BINARY, documented, file_responses, multipart_body, route_doc
from soundwright.services.gateway.wire.parameters import IdempotencyKey, UncheckedJobId, require_uuid

JobView = Callable[[library_pb.GetJobResponse], Response]
"""Returns the response of ``GET /job/{id}`` for one kind of job."""

_API_VERSION = "1.0.0"
_FORMATS = ("wav", "mp3", "flac", "ogg")
_MAX_FILE_MB = 500
_ENGINE_HEADERS = ("X-Soundwright-Engine", "X-Soundwright-Model", "X-Soundwright-Degraded")
_UPLOAD_BODY = multipart_body("file", {"file": {**BINARY, "description": f"The audio file: {', '.join(_FORMATS)}."}})


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
    blobs = gateway.blobs
    policy = _PipelineUpload("pipeline", _MAX_FILE_MB * 1024**2, _FORMATS)

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
    @documented(
        PipelineJob,
        errors.TOO_MANY_PENDING,
        errors.QUEUE_FULL,
        errors.NO_FILENAME,
        *RECORDING_ERRORS,
        errors.AUDIO_FORMAT_NOT_ALLOWED,
        errors.FORMAT_UNSUPPORTED,
    )
    async def process(request: Request, idempotency_key: IdempotencyKey) -> Response:
        """Upload a file and start a job. The job runs the four stages; poll `GET /job/{job_id}` for its status."""
        try:
            track, _ = await gateway.uploads.receive_track(request, policy)
        except AppError as error:
            # The contract treats a body of another type as a form without a file.
            raise policy.missing() if error.code is Code.UNSUPPORTED_MEDIA_TYPE else error from None
        return JSONResponse(job_to_wire(await _create_job(gateway, track.id, idempotency_key), blobs))

    @router.get("/job/{job_id}")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(_response_model(views.values()), errors.JOB_NOT_FOUND, headers=_ENGINE_HEADERS)
    async def get_job_by_kind(job_id: UncheckedJobId) -> Response:
        """Get a job. Returns its status, its stages and, once it is completed, its outputs."""
        answer = await _find_job(gateway, job_id, "Job not found", with_position=True)
        if answer.job.kind not in views:
            raise errors.JOB_NOT_FOUND("Job not found")
        return views[answer.job.kind](answer)

    @router.get("/job/{job_id}/outputs")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Outputs, errors.JOB_NOT_FOUND)
    async def get_outputs(job_id: UncheckedJobId) -> Response:
        """List the outputs of a job. The list is empty until the job is completed."""
        return JSONResponse(outputs_to_wire(await _pipeline_job(gateway, job_id, "Job not found"), blobs))

    @router.get("/download/{job_id}/all")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("application/zip", errors.JOB_NOT_FOUND, errors.NO_OUTPUTS, errors.TRACK_NOT_FOUND, ranges=False)
    async def download_outputs(request: Request, job_id: UncheckedJobId) -> Response:
        """Download all outputs of a completed job as a ZIP archive."""
        job = await _pipeline_job(gateway, job_id, "Job not found")
        outputs = documented_outputs(job)
        if not outputs:
            raise errors.NO_OUTPUTS("The job has no outputs" if job.HasField("finish_time") else "")
        members = [await _member(blobs, output.path, output.blob_key) for output in outputs]
        return archive_response(request, blobs, members, f"audio_tracks_{job.id}.zip")

    @router.get("/download/{job_id}/{track_name}")
    @access(Access.OPEN, RateClass.FILES)
    @file_responses("audio/wav", errors.JOB_NOT_FOUND, errors.TRACK_NOT_FOUND, errors.FILE_NOT_FOUND, redirects=False)
    async def download_output(
        request: Request,
        job_id: UncheckedJobId,
        track_name: Annotated[
            str, Path(description="The name of the output, as listed in `outputs` of the job.", examples=["vocals"])
        ],
    ) -> Response:
        """Download one output of a completed job."""
        job = await _pipeline_job(gateway, job_id, "Track not found")
        output = next((output for output in job.result.outputs if output.name == track_name), None)
        if output is None:
            raise errors.TRACK_NOT_FOUND("Track not found")
        return await blob_response(
            request,
            blobs,
            output.blob_key,
            content_type="audio/wav",
            filename=f"{output.name}.wav",
            redirect=False,  # the contract's own client, curl without -L, does not follow redirects
        )

    return router


async def _create_job(gateway: Gateway, track_id: str, idempotency_key: str) -> job_pb2.Job:
    """Start a job for an upload. Delete the upload if no job uses it."""
    request = separation_pb.CreatePipelineJobRequest(track_id=track_id, idempotency_key=idempotency_key)
    try:
        job: job_pb2.Job = (await gateway.clients.separation.CreatePipelineJob(request)).job
    except AppError:
        await _discard_unused(gateway, track_id)
        raise
    if job.track_id != track_id:  # an earlier request with the same key uploaded the same recording
        await _discard_unused(gateway, track_id)
    return job


async def _member(blobs: Blobs, path: str, blob_key: str) -> Member:
    info = await blobs.stat(blob_key)
    if info is None:
        raise errors.TRACK_NOT_FOUND("Track not found")
    return Member(path, blob_key, info.size_bytes, info.modify_time)


async def _pipeline_job(gateway: Gateway, job_id: str, message: str) -> job_pb2.Job:
    job: job_pb2.Job = (await _find_job(gateway, job_id, message)).job
    if job.kind != job_pb2.JOB_KIND_PIPELINE:
        raise errors.JOB_NOT_FOUND(message)
    return job


async def _discard_unused(gateway: Gateway, track_id: str) -> None:
    """Delete an upload unless a job uses it. A failed call may have created a job although its response was lost."""
    with contextlib.suppress(AppError):
        jobs = await gateway.clients.jobs.ListJobs(library_pb.ListJobsRequest(track_id=track_id, page_size=1))
        if not jobs.total_count:
            await gateway.clients.tracks.DeleteTrack(library_pb.DeleteTrackRequest(track_id=track_id))


async def _find_job(
    gateway: Gateway, job_id: str, message: str, *, with_position: bool = False
) -> library_pb.GetJobResponse:
    """Return a job of the caller. Raises ``JOB_NOT_FOUND`` if there is no such job, or it belongs to another user."""
    try:
        request = library_pb.GetJobRequest(
            job_id=require_uuid(job_id, errors.JOB_NOT_FOUND), with_position=with_position
        )
        answer: library_pb.GetJobResponse = await gateway.clients.jobs.GetJob(request)
    except AppError as error:
        if error.code in (Code.NOT_FOUND, Code.PERMISSION_DENIED):
            raise errors.JOB_NOT_FOUND(message) from None
        raise
    return answer


class _PipelineUpload(UploadPolicy):
    """The contract prescribes its own errors."""

    def check_filename(self, filename: str) -> None:
        if not filename:
            raise errors.NO_FILENAME()
        basename = filename.replace("\\", "/").rpartition("/")[2]
        suffix = f".{basename.rpartition('.')[2].lower()}" if "." in basename else ""
        if suffix.removeprefix(".") not in _FORMATS:
            raise errors.FORMAT_UNSUPPORTED(suffix=suffix)

    def missing(self) -> Exception:
        return RequestValidationError(
            [{"type": "missing", "loc": ["body", "file"], "msg": "Field required", "input": None}]
        )

    def too_large(self, limit_bytes: int) -> Exception:
        return errors.FILE_TOO_LARGE(f"File too large. The limit is {limit_bytes // 1024**2} MB.")

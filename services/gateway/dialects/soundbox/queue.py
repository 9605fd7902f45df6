"""Routes of the generation queue: status, jobs and cancellation."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code, suppressed
from soundwright.kit.security.identity import require_principal
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.soundbox.generate import find_job
from soundwright.services.gateway.dialects.soundbox.identity import public_user_id, sent_by_user
from soundwright.services.gateway.dialects.soundbox.model_names import MODELS
from soundwright.services.gateway.dialects.soundbox.params import ClipId, UserBody, json_body
from soundwright.services.gateway.dialects.soundbox.serializers import (
    duration_to_wire,
    job_spec,
    preview,
    priority_name,
    progress_of,
    status_name,
    time_to_wire,
)
from soundwright.services.gateway.dialects.soundbox.shapes import (
    Done,
    Gpu,
    ModelStatus,
    Queue,
    QueuedJobDetails,
    QueueStatus,
    Status,
)
from soundwright.services.gateway.file_paths import hex_id
from soundwright.services.gateway.openapi.responses import documented

_STATUS_SECONDS = 3.0
_MODEL_STATUS_NAMES: dict[int, ModelStatus] = {
    pb.MODEL_STATUS_LOADING: "loading",
    pb.MODEL_STATUS_READY: "ready",
    pb.MODEL_STATUS_ERROR: "error",
}


class CancelledClip(Done):
    """The result of a cancellation."""

    message: Annotated[str, Field(examples=["Job cancelled"])]


def queue_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox queue"])
    clients = gateway.clients

    async def get_queue() -> library_pb.GetQueueResponse:
        return await clients.jobs.GetQueue(library_pb.GetQueueRequest(kind=job_pb2.JOB_KIND_GENERATION))

    @router.get("/status")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Status)
    async def get_status() -> Response:
        """Get the status of generation. Returns the state of each model, the GPU and the length of the queue."""
        state = pb.GetStatusResponse()  # no model is ready while the generation service starts
        with suppressed(Code.UNAVAILABLE):
            state = await clients.generation.GetStatus(pb.GetStatusRequest(), timeout=_STATUS_SECONDS)
        queue = await get_queue()
        status: Status = {
            "models": {model: _MODEL_STATUS_NAMES.get(state.models.get(model, 0), "pending") for model in MODELS},
            "gpu": _gpu(state),
            "queue_length": _length(queue),
            "estimated_wait": round(queue.estimated_wait_seconds, 1),
        }
        return JSONResponse(status)

    @router.get("/queue-status")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(QueueStatus)
    async def get_queue_status() -> Response:
        """List running and queued jobs in the order of creation. Running jobs have position 0."""
        queue = await get_queue()
        positions = [(job, 0) for job in queue.running] + [(job, rank) for rank, job in enumerate(queue.queued, 1)]
        positions.sort(key=lambda entry: (entry[0].create_time.ToNanoseconds(), entry[0].id))
        status: QueueStatus = {
            "queue_length": _length(queue),
            "current_job": _current(queue),
            "jobs": [
                {
                    "id": hex_id(job.id),
                    "status": status_name(job),
                    "prompt": preview(job_spec(job).prompt, 50),
                    "model": job_spec(job).model or None,
                    "priority": priority_name(job),
                    "position": position,
                }
                for job, position in positions
            ],
        }
        return JSONResponse(status)

    @router.get("/api/queue")
    @access(Access.OPEN, RateClass.POLLING)
    @documented(Queue)
    async def explore_queue() -> Response:
        """List running and queued jobs with details, in the order in which they start. ``position`` is the place in this list,
        from 1."""
        queue = await get_queue()
        details: Queue = {
            "jobs": [_job_details(job, place) for place, job in enumerate([*queue.running, *queue.queued], 1)],
            "current_job": _current(queue),
            "total": _length(queue),
        }
        return JSONResponse(details)

    @router.post("/api/queue/{job_id}/cancel", openapi_extra=json_body(UserBody))
    @access(Access.OPEN, RateClass.NORMAL)
    @documented(CancelledClip, errors.USER_ID_FOREIGN, errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def cancel_clip_job(request: Request, job_id: ClipId) -> Response:
        """Cancel a queued job. Only the owner can cancel it; running jobs cannot be cancelled."""
        async with sent_by_user(request, UserBody, is_named=True):
            await _cancel(gateway, job_id)
        return JSONResponse({"success": True, "message": "Job cancelled"})

    return router


async def _cancel(gateway: Gateway, job_id: str) -> None:
    try:
        job = (await find_job(gateway, job_id)).job
        if job.owner_id != require_principal().id:
            raise errors.ACCESS_DENIED("Not authorized to cancel this job")
        if job.state == job_pb2.JOB_STATE_RUNNING:
            raise errors.BAD_REQUEST("Cannot cancel a job that is already processing")
        if job.state != job_pb2.JOB_STATE_QUEUED:
            raise errors.BAD_REQUEST("Job is not in queue")
        await gateway.clients.jobs.CancelJob(library_pb.CancelJobRequest(job_id=job.id))
    except AppError as error:
        if error.code is Code.PERMISSION_DENIED:
            raise errors.ACCESS_DENIED("Not authorized to cancel this job") from None
        raise errors.BAD_REQUEST("Job is not in queue") if error.code is Code.CONFLICT else error from None


def _length(queue: library_pb.GetQueueResponse) -> int:
    return len(queue.running) + queue.queued_count


def _current(queue: library_pb.GetQueueResponse) -> str | None:
    return hex_id(queue.running[0].id) if queue.running else None


def _job_details(job: job_pb2.Job, position: int) -> QueuedJobDetails:
    spec = job_spec(job)
    progress, percent = progress_of(job)
    return {
        "id": hex_id(job.id),
        "status": status_name(job),
        "prompt": preview(spec.prompt, 80),
        "model": spec.model or None,
        "duration": duration_to_wire(spec.duration_seconds),
        "priority": priority_name(job),
        "created": time_to_wire(job, "create_time"),
        "progress": progress,
        "progress_pct": percent,
        "user_id": public_user_id(job.owner_id),
        "position": position,
    }


def _gpu(state: pb.GetStatusResponse) -> Gpu:
    if not state.HasField("device"):
        return {"available": False}
    device = state.device
    share = device.memory_used_bytes / device.memory_total_bytes if device.memory_total_bytes else 0.0
    return {
        "available": True,
        "name": device.name,
        "busy": device.busy,
        "memory_used_gb": round(device.memory_used_bytes / 2**30, 2),
        "memory_total_gb": round(device.memory_total_bytes / 2**30, 2),
        "memory_percent": round(100 * share, 1),
    }

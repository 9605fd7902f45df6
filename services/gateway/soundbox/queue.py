"""What is waiting and at work: status, queue, cancel."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from soundwright.generation.v1 import generation_service_pb2 as pb
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from starlette.responses import JSONResponse, Response

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Gateway
from services.gateway.soundbox.generate import find_job
from services.gateway.soundbox.identity import acting, shown
from services.gateway.soundbox.params import MODELS, ClipId, UserBody, body, json_values, refusal, user_of
from services.gateway.soundbox.shapes import (
    Done,
    ExploredJob,
    Gpu,
    ModelStatus,
    Queue,
    QueueStatus,
    Status,
)
from services.gateway.soundbox.wire import (
    duration_to_wire,
    hex_id,
    preview,
    priority_word,
    progress_of,
    requested,
    status_word,
    time_to_wire,
)

__all__ = ["queue_routes"]

_STATUS_SECONDS = 3.0
_MODEL_WORDS: dict[int, ModelStatus] = {
    pb.MODEL_STATUS_LOADING: "loading",
    pb.MODEL_STATUS_READY: "ready",
    pb.MODEL_STATUS_ERROR: "error",
}


class CancelledClip(Done):
    message: Annotated[str, Field(examples=["Job cancelled"])]


def queue_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(tags=["soundbox queue"])
    clients = gateway.clients

    async def look() -> library_pb.GetQueueResponse:
        return await clients.jobs.GetQueue(library_pb.GetQueueRequest(kind=job_pb2.JOB_KIND_GENERATION))

    @router.get("/status")
    @answers(Status)
    async def get_status() -> Response:
        """Which models are ready, the GPU, and how long the queue is."""
        try:
            state = await clients.generation.GetStatus(pb.GetStatusRequest(), timeout=_STATUS_SECONDS)
        except AppError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
            state = pb.GetStatusResponse()  # still starting: no model is ready
        queue = await look()
        state_now: Status = {
            "models": {model: _MODEL_WORDS.get(state.models.get(model, 0), "pending") for model in MODELS},
            "gpu": _gpu(state),
            "queue_length": _length(queue),
            "estimated_wait": round(queue.estimated_wait_seconds, 1),
        }
        return JSONResponse(state_now)

    @router.get("/queue-status")
    @answers(QueueStatus)
    async def get_queue_status() -> Response:
        """Jobs that are at work (position 0) or wait, in the order in which they came."""
        queue = await look()
        places = [(job, 0) for job in queue.running] + [(job, rank) for rank, job in enumerate(queue.queued, 1)]
        places.sort(key=lambda place: (place[0].create_time.ToNanoseconds(), place[0].id))
        listed: QueueStatus = {
            "queue_length": _length(queue),
            "current_job": _current(queue),
            "jobs": [
                {
                    "id": hex_id(job.id),
                    "status": status_word(job),
                    "prompt": preview(str(requested(job).get("prompt", "")), 50),
                    "model": requested(job).get("model"),
                    "priority": priority_word(job),
                    "position": position,
                }
                for job, position in places
            ],
        }
        return JSONResponse(listed)

    @router.get("/api/queue")
    @answers(Queue)
    async def explore_queue() -> Response:
        """All that is known about the same jobs, by priority and time; ``position`` is the place in this list."""
        queue = await look()
        jobs = [*queue.running, *queue.queued]
        jobs.sort(key=lambda job: (job.priority or job_pb2.PRIORITY_STANDARD, job.create_time.ToNanoseconds(), job.id))
        explored: Queue = {
            "jobs": [_explored(job, rank) for rank, job in enumerate(jobs, 1)],
            "current_job": _current(queue),
            "total": _length(queue),
        }
        return JSONResponse(explored)

    @router.post("/api/queue/{job_id}/cancel", openapi_extra=body(UserBody))
    @answers(CancelledClip, refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND)
    async def cancel_clip_job(request: Request, job_id: ClipId) -> Response:
        """Cancel a job of yours that waits."""
        values = await json_values(request)
        with acting(user_of(request, values), named=True) as principal:
            try:
                job = (await find_job(gateway, job_id)).job
                if job.owner_id != principal.id:
                    raise _not_theirs()
                if job.state == job_pb2.JOB_STATE_RUNNING:
                    raise refusal("Cannot cancel a job that is already processing")
                if job.state != job_pb2.JOB_STATE_QUEUED:
                    raise refusal("Job is not in queue")
                await clients.jobs.CancelJob(library_pb.CancelJobRequest(job_id=job.id))
            except AppError as error:
                if error.code is Code.PERMISSION_DENIED:
                    raise _not_theirs() from None
                raise refusal("Job is not in queue") if error.code is Code.CONFLICT else error from None
        return JSONResponse({"success": True, "message": "Job cancelled"})

    return router


def _not_theirs() -> AppError:
    return AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", "Not authorized to cancel this job")


def _length(queue: library_pb.GetQueueResponse) -> int:
    return len(queue.running) + queue.queued_count


def _current(queue: library_pb.GetQueueResponse) -> str | None:
    return hex_id(queue.running[0].id) if queue.running else None


def _explored(job: job_pb2.Job, position: int) -> ExploredJob:
    spec = requested(job)
    progress, percent = progress_of(job)
    return {
        "id": hex_id(job.id),
        "status": status_word(job),
        "prompt": preview(str(spec.get("prompt", "")), 80),
        "model": spec.get("model"),
        "duration": duration_to_wire(float(spec.get("duration_seconds", 0.0))),
        "priority": priority_word(job),
        "created": time_to_wire(job, "create_time"),
        "progress": progress,
        "progress_pct": percent,
        "user_id": shown(job.owner_id),
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

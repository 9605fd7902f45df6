"""The ledger of jobs, whatever their kind."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from starlette.responses import Response

from kit.errors import AppError, Code
from services.gateway import refusals
from services.gateway.answers import answers
from services.gateway.clients import Clients, Gateway
from services.gateway.forge.shapes import Data, Job, JobResult, JobSummary, Page
from services.gateway.forge.tracks import PageNumber, PageSize
from services.gateway.forge.wire import JOB_TYPES, data, job_to_wire, json_text, listing, splice, stem_to_wire
from services.gateway.params import JobId, require_uuid

__all__ = ["job_routes", "own_job"]

_KINDS = {word: kind for kind, word in JOB_TYPES.items()} | {"separation": job_pb2.JOB_KIND_SEPARATION}
_STATES = {
    "queued": [job_pb2.JOB_STATE_QUEUED],
    "processing": [job_pb2.JOB_STATE_RUNNING],
    "downloading": [job_pb2.JOB_STATE_RUNNING],
    "completed": [job_pb2.JOB_STATE_SUCCEEDED],
    "failed": [job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED],
    "cancelled": [job_pb2.JOB_STATE_CANCELLED],
}


async def own_job(clients: Clients, job_id: str, kind: job_pb2.JobKind | None = None) -> job_pb2.Job:
    """A job of the caller's; of ``kind``, if that is given.

    Raises:
        AppError: ``JOB_NOT_FOUND``; ``ACCESS_DENIED`` for somebody else's.
    """
    answer = await clients.jobs.GetJob(pb.GetJobRequest(job_id=require_uuid(job_id, "job")))
    job: job_pb2.Job = answer.job
    if kind is not None and job.kind != kind:
        raise AppError(Code.NOT_FOUND, "JOB_NOT_FOUND", "There is no such job of this kind. See /api/jobs.")
    return job


def job_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/jobs", tags=["forge jobs"])
    clients = gateway.clients

    @router.get("")
    @answers(Page[list[JobSummary]], refusals.TRACK_NOT_FOUND, refusals.VALIDATION_ERROR, headers=("Link",))
    async def list_jobs(
        request: Request,
        page: PageNumber = 1,
        page_size: PageSize = 20,
        status: Annotated[str, Query(description=", ".join(_STATES), examples=["processing"])] = "",
        type: Annotated[str, Query(description=", ".join(_KINDS), examples=["analysis"])] = "",
        track_id: Annotated[str, Query(description="jobs of this track")] = "",
        sort: Annotated[Literal["newest", "oldest"], Query(description="which comes first")] = "newest",
    ) -> Response:
        """Your jobs, newest first; of one status, type or track, if you ask for it."""
        _require_known("status", status, _STATES)
        _require_known("type", type, _KINDS)
        kinds = [_KINDS[type]] if type else []
        if status in ("processing", "downloading"):
            downloads = status == "downloading"
            kinds = [k for k in kinds or JOB_TYPES if (k == job_pb2.JOB_KIND_DOWNLOAD) == downloads]
            if not kinds:
                return listing([], page, page_size, 0, request.url)
        asked = pb.ListJobsRequest(
            page=page,
            page_size=page_size,
            kinds=kinds,
            states=_STATES.get(status, []),
            track_id=require_uuid(track_id, "track") if track_id else "",
            oldest_first=sort == "oldest",
        )
        answer = await clients.jobs.ListJobs(asked)
        return listing([job_to_wire(job) for job in answer.jobs], page, page_size, answer.total_count, request.url)

    @router.get("/{job_id}")
    @answers(Data[Job], refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND)
    async def get_job(job_id: JobId) -> Response:
        """A job, and its result once it is completed."""
        job = await own_job(clients, job_id)
        if not job.HasField("result"):
            return data({**job_to_wire(job), "result": None})
        result = '{"result":' + splice(_result_head(job), job.result.values_json) + "}"
        return json_text('{"data":' + splice(job_to_wire(job), result) + "}")

    @router.delete("/{job_id}")
    @answers(None, refusals.ACCESS_DENIED, refusals.JOB_NOT_FOUND, refusals.JOB_FINISHED, status=204)
    async def cancel_job(job_id: JobId) -> Response:
        """Cancel a job that is queued or running."""
        await clients.jobs.CancelJob(pb.CancelJobRequest(job_id=require_uuid(job_id, "job")))
        return Response(status_code=204)

    return router


def _result_head(job: job_pb2.Job) -> JobResult:
    result = job.result
    head: JobResult = {
        "engine": result.engine,
        "model": result.model or None,
        "degraded": result.degraded,
        "degraded_reason": result.degraded_reason or None,
        "compute_seconds": result.compute_seconds,
    }
    if job.kind == job_pb2.JOB_KIND_SEPARATION:
        head["stems"] = [stem_to_wire(stem) for stem in result.outputs]
    return head


def _require_known(field: str, value: str, known: dict[str, Any]) -> None:
    if value and value not in known:
        raise AppError(
            Code.UNPROCESSABLE,
            "VALIDATION_ERROR",
            f"There is no {field} {value[:40]!r}.",
            {"details": {field: [f"must be one of: {', '.join(known)}"]}},
        )

"""Jobs of all kinds: list, get, cancel and start again."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from soundwright.kit import errors
from soundwright.library.v1 import job_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass, charge
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.serializers import (
    data,
    job_to_wire,
    json_text,
    listing,
    page_links,
    shaped,
    splice,
    stem_to_wire,
)
from soundwright.services.gateway.dialects.forge.shapes import Data, Job, JobResult, JobSummary, Page
from soundwright.services.gateway.interpretation import interpretation_to_wire
from soundwright.services.gateway.job_kinds import JOB_KINDS
from soundwright.services.gateway.job_retries import retried_count, retry_job
from soundwright.services.gateway.openapi.responses import ResponseDoc, documented
from soundwright.services.gateway.records import own_job
from soundwright.services.gateway.wire.parameters import Cursor, JobId, PageNumber, PageSize, require_uuid

# Callers may filter by the public name of a kind and by its internal name.
_KINDS = {kind.public_type: kind for kind in JOB_KINDS.values()} | {kind.word: kind for kind in JOB_KINDS.values()}
_STATES = {
    "queued": [job_pb2.JOB_STATE_QUEUED],
    "processing": [job_pb2.JOB_STATE_RUNNING],
    "downloading": [job_pb2.JOB_STATE_RUNNING],
    "completed": [job_pb2.JOB_STATE_SUCCEEDED],
    "failed": [job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED],
    "cancelled": [job_pb2.JOB_STATE_CANCELLED],
}
_RUNNING = {kind.running_status for kind in JOB_KINDS.values()}


def job_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/jobs", tags=["forge jobs"])
    clients = gateway.clients

    @router.get("")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(Page[list[JobSummary]], errors.TRACK_NOT_FOUND, errors.VALIDATION_ERROR, headers=("Link",))
    async def list_jobs(
        request: Request,
        page: PageNumber = 1,
        page_size: PageSize = 20,
        cursor: Cursor = "",
        status: Annotated[str, Query(description=f"One of: {', '.join(_STATES)}.", examples=["processing"])] = "",
        type: Annotated[str, Query(description=f"One of: {', '.join(_KINDS)}.", examples=["analysis"])] = "",
        track_id: Annotated[str, Query(description="Only jobs of this track.")] = "",
        sort: Annotated[Literal["newest", "oldest"], Query(description="The order of the jobs.")] = "newest",
    ) -> Response:
        """List your jobs, newest first. Filter by status, type and track."""
        errors.require_known("status", status, ("", *_STATES))
        errors.require_known("type", type, ("", *_KINDS))
        kinds = [_KINDS[type]] if type else []
        if status in _RUNNING:
            kinds = [kind for kind in kinds or JOB_KINDS.values() if kind.running_status == status]
            if not kinds:
                return listing([], page, page_size, 0)
        asked = pb.ListJobsRequest(
            page=page,
            page_size=page_size,
            page_token=cursor,
            kinds=[kind.kind for kind in kinds],
            states=_STATES.get(status, []),
            track_id=require_uuid(track_id, errors.TRACK_NOT_FOUND) if track_id else "",
            oldest_first=sort == "oldest",
            with_views=True,
        )
        answer = await clients.jobs.ListJobs(asked)
        jobs = [job_to_wire(job, answer.views[job.id]) for job in answer.jobs]
        return listing(jobs, page, page_size, answer.total_count, page_links(request.url, page, page_size, answer))

    @router.get("/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Job], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_job(job_id: JobId) -> Response:
        """Get a job, and its result once it is completed."""
        answer = await clients.jobs.GetJob(pb.GetJobRequest(job_id=job_id, with_view=True))
        job, summary = answer.job, job_to_wire(answer.job, answer.view)
        if not job.HasField("result"):
            return data({**summary, "result": None})
        result = '{"result":' + splice(_result_head(job), job.result.analysis_json) + "}"
        return json_text('{"data":' + splice(summary, result) + "}")

    @router.delete("/{job_id}")
    @access(Access.ACCOUNT, RateClass.NORMAL)
    @documented(None, errors.ACCESS_DENIED, errors.JOB_NOT_FOUND, errors.JOB_FINISHED, status=204)
    async def cancel_job(job_id: JobId) -> Response:
        """Cancel a queued or running job. If it is a batch, cancel all its unfinished jobs."""
        await clients.jobs.CancelJob(pb.CancelJobRequest(job_id=job_id))
        return Response(status_code=204)

    @router.post("/{job_id}/retry")
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[JobSummary],
        errors.ACCESS_DENIED,
        errors.JOB_NOT_FOUND,
        errors.TRACK_NOT_FOUND,
        errors.JOB_NOT_FAILED,
        errors.TOO_MANY_RETRIES,
        errors.MODEL_UNAVAILABLE,
        errors.TOO_MANY_PENDING,
        errors.QUEUE_FULL,
        status=201,
        responses={200: ResponseDoc("The job that an earlier call has started.", Data[JobSummary])},
    )
    async def retry(request: Request, job_id: JobId) -> Response:
        """Start a failed or cancelled job again, with the same request.

        The response is the new job. A repeated call returns that job with status 200, unless it has failed, too. The retry of
        a batch is a new batch of its failed and cancelled jobs.
        """
        failed = await own_job(clients, job_id)
        await charge(request.scope, retried_count(failed))
        job, existed = await retry_job(clients, failed)
        answer = await clients.jobs.GetJob(pb.GetJobRequest(job_id=job.id, with_view=True))
        return data(job_to_wire(answer.job, answer.view), 200 if existed else 201)

    return router


def _result_head(job: job_pb2.Job) -> JobResult:
    result = job.result
    head = shaped(result, JobResult)
    if result.outputs_are_stems:
        head["stems"] = [stem_to_wire(stem) for stem in result.outputs]
    if result.HasField("clip"):
        head["interpretation"] = interpretation_to_wire(result.clip)
    return head

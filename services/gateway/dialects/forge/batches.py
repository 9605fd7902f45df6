"""Batches: separate several tracks with one request."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import Field, field_validator
from starlette.responses import Response
from typing_extensions import TypedDict

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.services.gateway.callers.access import Access, access
from soundwright.services.gateway.callers.rate_limits import RateClass, charge
from soundwright.services.gateway.clients import Gateway
from soundwright.services.gateway.dialects.forge.processing import (
    SEPARATION_ERRORS,
    SeparationParameters,
    separation_parameters,
)
from soundwright.services.gateway.dialects.forge.serializers import batch_counts, data, time_to_wire
from soundwright.services.gateway.dialects.forge.shapes import BatchCounts, Data
from soundwright.services.gateway.job_retries import BATCH_SECONDS
from soundwright.services.gateway.job_views import JobStatus, error_text, progress, status
from soundwright.services.gateway.openapi.responses import Percent, Time, Uuid, documented
from soundwright.services.gateway.records import own_job
from soundwright.services.gateway.wire.parameters import IdempotencyKey, JobId, body_of, body_schema, require_uuid

_TRACK_LIMIT = 100


class BatchParameters(SeparationParameters):
    """The tracks to separate, and the parameters of each separation."""

    track_ids: list[Annotated[str, Field(max_length=100)]] = Field(
        min_length=1,
        max_length=_TRACK_LIMIT,
        description="The IDs of the tracks, each once. Forms send them as `track_ids[]`.",
        examples=[["0f8fad5b-d9cb-469f-a165-70867728950e", "7c9e6679-7425-40de-944b-e07fc1f90ae7"]],
    )

    @field_validator("track_ids")
    @classmethod
    def _unique(cls, value: list[str]) -> list[str]:
        if len({each.lower().replace("-", "") for each in value}) < len(value):
            raise ValueError("must contain each track once")
        return value


class BatchJob(TypedDict):
    """A separation of a batch."""

    job_id: Uuid
    track_id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[Percent, Field(examples=[100])]
    error: Annotated[str | None, Field(description="Why the job failed.")]
    error_code: str | None


class Batch(BatchCounts):
    """A batch and its separations, in the order of the request.

    It is completed when all have ended and at least one is completed, and failed if none is. A batch that was cancelled is
    failed with the error `cancelled`, unless all of its separations had ended.
    """

    id: Uuid
    status: Annotated[JobStatus, Field(examples=["completed"])]
    progress: Annotated[
        int, Field(ge=0, le=100, description="Mean progress of the jobs in percent. An ended job counts as 100.")
    ]
    error: Annotated[str | None, Field(description="Why the batch failed.")]
    error_code: str | None
    cancel_requested: bool
    created_at: Time | None
    started_at: Time | None
    completed_at: Time | None
    jobs: list[BatchJob]


def batch_routes(gateway: Gateway) -> APIRouter:
    router = APIRouter(prefix="/api/processing/batch", tags=["forge processing"])
    clients = gateway.clients

    @router.post("", openapi_extra=body_schema(BatchParameters))
    @access(Access.ACCOUNT, RateClass.HEAVY)
    @documented(
        Data[Batch], errors.TRACKS_NOT_FOUND, errors.AUDIOS_NOT_READY, *SEPARATION_ERRORS, status=201, idempotent=True
    )
    async def separate_batch(
        request: Request,
        parameters: Annotated[BatchParameters, Depends(body_of(BatchParameters))],
        idempotency_key: IdempotencyKey,
    ) -> Response:
        """Start separations of up to 100 tracks with the same parameters: all of them, or none.

        The batch and each separation are jobs of `/api/jobs`. Webhooks and channels report the end of each separation, and
        once the end of the batch. `DELETE /api/jobs/{job_id}` cancels the unfinished separations, and
        `POST /api/jobs/{job_id}/retry` starts those again that failed or were cancelled, as a new batch. For the rate limit,
        a batch counts as one request for each track, but at most as all requests of a minute.
        """
        asked = batch_request(parameters)
        asked.idempotency_key = idempotency_key
        await charge(request.scope, len(asked.track_ids))
        answer = await clients.separation.CreateBatch(asked, timeout=BATCH_SECONDS)
        return data(batch_to_wire(answer.batch), 200 if answer.existed else 201)

    @router.get("/{job_id}")
    @access(Access.ACCOUNT, RateClass.POLLING)
    @documented(Data[Batch], errors.ACCESS_DENIED, errors.JOB_NOT_FOUND)
    async def get_batch(job_id: JobId) -> Response:
        """Get a batch, and the status of each of its separations."""
        return data(batch_to_wire(await own_job(clients, job_id, job_pb2.JOB_KIND_BATCH)))

    return router


def batch_request(parameters: BatchParameters) -> pb.CreateBatchRequest:
    """Return the request for a batch. Raises ``TRACK_NOT_FOUND`` with the texts that are no IDs."""
    return pb.CreateBatchRequest(
        parameters=separation_parameters(parameters), track_ids=_canonical(parameters.track_ids)
    )


def _canonical(track_ids: list[str]) -> list[str]:
    """Return the IDs in their canonical form. Raises ``TRACK_NOT_FOUND`` with the texts that are no IDs."""
    canonical, malformed = [], []
    for track_id in track_ids:
        try:
            canonical.append(require_uuid(track_id, errors.TRACK_NOT_FOUND))
        except AppError:
            malformed.append(track_id)
    if malformed:
        raise errors.TRACK_NOT_FOUND(
            "Some track IDs are not valid; `track_ids` lists them. Check them.", details={"track_ids": malformed}
        )
    return canonical


def batch_to_wire(record: job_pb2.Job) -> Batch:
    return {
        "id": record.id,
        "status": status(record),
        "progress": progress(record),
        **batch_counts(record.batch),
        "error": error_text(record),
        "error_code": record.error.reason or "CANCELLED" if error_text(record) else None,
        "cancel_requested": record.cancel_requested,
        "created_at": time_to_wire(record, "create_time"),
        "started_at": time_to_wire(record, "start_time"),
        "completed_at": time_to_wire(record, "finish_time"),
        "jobs": [_job_to_wire(each) for each in record.batch.jobs],
    }


def _job_to_wire(each: job_pb2.BatchJob) -> BatchJob:
    job = job_pb2.Job(
        kind=job_pb2.JOB_KIND_SEPARATION, state=each.state, progress_ratio=each.progress_ratio, error=each.error
    )
    return {
        "job_id": each.job_id,
        "track_id": each.track_id,
        "status": status(job),
        "progress": progress(job),
        "error": error_text(job),
        "error_code": job.error.reason or "CANCELLED" if error_text(job) else None,
    }

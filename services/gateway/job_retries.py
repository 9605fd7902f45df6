"""Starts failed and cancelled jobs again: sends the request that created a job to its service once more."""

from __future__ import annotations

from typing import Any

from soundwright.analysis.v1 import analysis_service_pb2 as analysis_pb
from soundwright.generation.v1 import generation_service_pb2 as generation_pb
from soundwright.ingest.v1 import ingest_service_pb2 as ingest_pb
from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.separation.v1.jobs_pb2 import BatchSpec
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.job_kinds import job_kind, unpacked
from soundwright.services.gateway.job_views import ENDED

_RETRYABLE = frozenset({job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})
_CHAIN_LIMIT = 100
BATCH_SECONDS = 45.0
"""The deadline of the call that creates a batch. With many tracks, it takes seconds."""
_Retried = tuple[job_pb2.Job, bool]


def retried_count(job: job_pb2.Job) -> int:
    """Return how many jobs a retry starts: of a batch, those that have failed or were cancelled."""
    if job.kind == job_pb2.JOB_KIND_BATCH:
        return len(_retried_tracks(job)) if job.state in ENDED else 0
    return int(job.state in _RETRYABLE)


def _retried_tracks(batch: job_pb2.Job) -> list[str]:
    return [each.track_id for each in batch.batch.jobs if each.state in _RETRYABLE]


async def retry_job(clients: Clients, job: job_pb2.Job) -> _Retried:
    """Start a failed or cancelled job again, as a new job. A batch starts again with its failed and cancelled jobs.

    The idempotency key is derived from the job, so a repeated call finds the job that the first call has created. If that
    job has failed or was cancelled, too, it is started again.

    Returns:
        The new job, and whether it existed.

    Raises:
        AppError: ``JOB_NOT_FAILED``; ``TOO_MANY_RETRIES``; the errors of the request that created the job.
    """
    if not retried_count(job):
        raise errors.JOB_NOT_FAILED()
    for _ in range(_CHAIN_LIMIT):
        job, existed = await _sent_again(clients, job, f"retry:{job.id}")
        if not existed or not retried_count(job):
            return job, existed
    raise errors.TOO_MANY_RETRIES(limit=_CHAIN_LIMIT)


async def _sent_again(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    """Send the request that created a job once more, with an idempotency key."""
    spec: Any = unpacked(job.spec, job_kind(job.kind).spec)
    common: dict[str, Any] = {"track_id": job.track_id, "idempotency_key": key}
    answer: Any
    match job.kind:
        case job_pb2.JOB_KIND_DOWNLOAD:
            request = ingest_pb.CreateDownloadsRequest(quality=spec.quality, **common)
            answer = (await clients.ingest.CreateDownloads(request)).downloads[0]
        case job_pb2.JOB_KIND_SEPARATION:
            answer = await clients.separation.CreateJob(pb.CreateJobRequest(parameters=spec.parameters, **common))
        case job_pb2.JOB_KIND_PIPELINE:
            answer = await clients.separation.CreatePipelineJob(pb.CreatePipelineJobRequest(**common))
        case job_pb2.JOB_KIND_EXPORT:
            chosen = {"format": spec.format, "separation_id": spec.separation_id}
            answer = await clients.separation.CreateExportJob(pb.CreateExportJobRequest(**chosen, **common))
        case job_pb2.JOB_KIND_ANALYSIS:
            answer = await clients.analysis.CreateJob(analysis_pb.CreateJobRequest(features=spec.features, **common))
        case job_pb2.JOB_KIND_GENERATION:
            jobs = generation_pb.CreateJobsRequest(parameters=spec, idempotency_key=key)
            answer = await clients.generation.CreateJobs(jobs)
            return answer.jobs[0], answer.existed
        case job_pb2.JOB_KIND_BATCH:
            return await _batch_again(clients, job, spec, key)
        case _:
            raise errors.JOB_NOT_FAILED()
    return answer.job, answer.existed


async def _batch_again(clients: Clients, batch: job_pb2.Job, spec: BatchSpec, key: str) -> _Retried:
    request = pb.CreateBatchRequest(parameters=spec.parameters, track_ids=_retried_tracks(batch), idempotency_key=key)
    try:
        answer = await clients.separation.CreateBatch(request, timeout=BATCH_SECONDS)
    except AppError as error:
        gone = set(error.meta.get("details", {}).get("track_ids", ())) if error.reason == "TRACK_NOT_FOUND" else set()
        left = [track_id for track_id in request.track_ids if track_id not in gone]
        if not gone or not left:
            raise
        request.ClearField("track_ids")
        request.track_ids.extend(left)
        answer = await clients.separation.CreateBatch(request, timeout=BATCH_SECONDS)
    return answer.batch, answer.existed

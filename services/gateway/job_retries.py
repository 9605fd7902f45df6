"""Starts failed and cancelled jobs again: sends the request that created a job to its service once more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from soundwright.analysis.v1 import analysis_service_pb2
from soundwright.analysis.v1 import jobs_pb2 as analysis_pb
from soundwright.generation.v1 import generation_service_pb2
from soundwright.generation.v1 import jobs_pb2 as generation_pb
from soundwright.ingest.v1 import ingest_service_pb2
from soundwright.ingest.v1 import jobs_pb2 as ingest_pb
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import jobs_pb2 as separation_pb
from soundwright.separation.v1 import separation_service_pb2

from kit import errors
from kit.errors import AppError
from services.gateway.clients import Clients
from services.gateway.job_kinds import unpacked
from services.gateway.job_views import ENDED

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
    send = RETRIES.get(job.kind)
    if not retried_count(job) or send is None:
        raise errors.JOB_NOT_FAILED()
    for _ in range(_CHAIN_LIMIT):
        job, existed = await send(clients, job, f"retry:{job.id}")
        if not existed or not retried_count(job):
            return job, existed
    raise errors.TOO_MANY_RETRIES(limit=_CHAIN_LIMIT)


async def _download(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    spec = unpacked(job.spec, ingest_pb.DownloadSpec)
    answer = await clients.ingest.CreateDownloads(
        ingest_service_pb2.CreateDownloadsRequest(track_id=job.track_id, quality=spec.quality, idempotency_key=key)
    )
    return answer.downloads[0].job, answer.downloads[0].existed


async def _separation(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    spec = unpacked(job.spec, separation_pb.SeparationSpec)
    answer = await clients.separation.CreateJob(
        separation_service_pb2.CreateJobRequest(track_id=job.track_id, parameters=spec.parameters, idempotency_key=key)
    )
    return answer.job, answer.existed


async def _pipeline(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    answer = await clients.separation.CreatePipelineJob(
        separation_service_pb2.CreatePipelineJobRequest(track_id=job.track_id, idempotency_key=key)
    )
    return answer.job, answer.existed


async def _export(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    spec = unpacked(job.spec, separation_pb.ExportSpec)
    answer = await clients.separation.CreateExportJob(
        separation_service_pb2.CreateExportJobRequest(
            track_id=job.track_id, format=spec.format, separation_id=spec.separation_id, idempotency_key=key
        )
    )
    return answer.job, answer.existed


async def _analysis(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    spec = unpacked(job.spec, analysis_pb.AnalysisSpec)
    answer = await clients.analysis.CreateJob(
        analysis_service_pb2.CreateJobRequest(track_id=job.track_id, features=spec.features, idempotency_key=key)
    )
    return answer.job, answer.existed


async def _generation(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    answer = await clients.generation.CreateJobs(
        generation_service_pb2.CreateJobsRequest(
            parameters=unpacked(job.spec, generation_pb.GenerationSpec), idempotency_key=key
        )
    )
    return answer.jobs[0], answer.existed


async def _batch(clients: Clients, job: job_pb2.Job, key: str) -> _Retried:
    spec = unpacked(job.spec, separation_pb.BatchSpec)
    request = separation_service_pb2.CreateBatchRequest(
        parameters=spec.parameters, track_ids=_retried_tracks(job), idempotency_key=key
    )
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


RETRIES: Mapping[int, Callable[[Clients, job_pb2.Job, str], Awaitable[_Retried]]] = {
    job_pb2.JOB_KIND_DOWNLOAD: _download,
    job_pb2.JOB_KIND_SEPARATION: _separation,
    job_pb2.JOB_KIND_ANALYSIS: _analysis,
    job_pb2.JOB_KIND_GENERATION: _generation,
    job_pb2.JOB_KIND_PIPELINE: _pipeline,
    job_pb2.JOB_KIND_EXPORT: _export,
    job_pb2.JOB_KIND_BATCH: _batch,
}
"""How each kind of job is requested again, with an idempotency key."""

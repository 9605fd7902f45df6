"""Starts failed and cancelled jobs again: sends the request that created a job to its service once more."""

from soundwright.kit import errors
from soundwright.kit.errors import AppError
from soundwright.library.v1 import job_pb2
from soundwright.separation.v1 import separation_service_pb2 as pb
from soundwright.separation.v1.jobs_pb2 import BatchSpec
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.job_kinds import Started, job_kind, unpacked
from soundwright.services.gateway.job_views import ENDED

_RETRYABLE = frozenset({job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})
_CHAIN_LIMIT = 100
BATCH_SECONDS = 45.0
"""The deadline of the call that creates a batch. With many tracks, it takes seconds."""


def retried_count(job: job_pb2.Job) -> int:
    """Return how many jobs a retry starts: of a batch, those that have failed or were cancelled."""
    if job.kind == job_pb2.JOB_KIND_BATCH:
        return len(_retried_tracks(job)) if job.state in ENDED else 0
    return int(job.state in _RETRYABLE)


def _retried_tracks(batch: job_pb2.Job) -> list[str]:
    return [each.track_id for each in batch.batch.jobs if each.state in _RETRYABLE]


async def retry_job(clients: Clients, job: job_pb2.Job) -> Started:
    """Start a failed or cancelled job again, as a new job. A batch starts again with its failed and cancelled jobs.

    The idempotency key is derived from the job, so a repeated call finds the job that the first call has created. If that
    job has failed or was cancelled, too, it is started again.

    Returns the new job, and whether it existed.

    Raises ``JOB_NOT_FAILED``; ``TOO_MANY_RETRIES``; the errors of the request that created the job.
    """
    if not retried_count(job):
        raise errors.JOB_NOT_FAILED()
    for _ in range(_CHAIN_LIMIT):
        job, existed = await _sent_again(clients, job, f"retry:{job.id}")
        if not existed or not retried_count(job):
            return Started(job, existed)
    raise errors.TOO_MANY_RETRIES(limit=_CHAIN_LIMIT)


async def _sent_again(clients: Clients, job: job_pb2.Job, key: str) -> Started:
    """Send the request that created a job once more, with an idempotency key."""
    kind = job_kind(job.kind)
    spec = unpacked(job.spec, kind.spec)
    if job.kind == job_pb2.JOB_KIND_BATCH:
        return await _batch_again(clients, job, spec, key)
    if kind.again is None:
        raise errors.JOB_NOT_FAILED()
    answer = await kind.again(clients, spec, {"track_id": job.track_id, "idempotency_key": key})
    return Started(answer.job, answer.existed)


async def _batch_again(clients: Clients, batch: job_pb2.Job, spec: BatchSpec, key: str) -> Started:
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
    return Started(answer.batch, answer.existed)

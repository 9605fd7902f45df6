"""Batches: several jobs that one request creates, and the job that stands for them (docs/decisions/0005).

A batch is a record, and no worker runs it. The functions here compute it from its jobs and change nothing.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from soundwright.kit import errors
from soundwright.kit.security.identity import Principal
from soundwright.services.library.jobs.admission import NewJob, queued
from soundwright.services.library.jobs.service import BATCH, Batch, BatchJob, Job, JobError, JobState, PackedMessage

BATCH_SIZE_LIMIT = 100
_ORDER_SECONDS = 1e-6  # between the creation times of the jobs of a batch, which start in this order


@dataclass(frozen=True)
class NewBatch:
    """A request for a batch."""

    jobs: Sequence[NewJob]
    spec: PackedMessage
    correlation_id: str
    job_id: str = ""
    idempotency_key: str = ""
    traceparent: str = ""


def require_batch(new: NewBatch) -> None:
    """Require that the jobs of a request can be admitted together. Raises ``BATCH_INVALID``."""
    if not 1 <= len(new.jobs) <= BATCH_SIZE_LIMIT:
        raise errors.BATCH_INVALID(limit=BATCH_SIZE_LIMIT)
    if len({(job.kind, job.limits) for job in new.jobs}) > 1:
        raise errors.BATCH_INVALID("The jobs of a batch must have the same kind and the same limits.")
    if any(job.creates_track or job.kind == BATCH for job in new.jobs):
        raise errors.BATCH_INVALID("The jobs of a batch must be about existing tracks.")


def new_batch(principal: Principal, new: NewBatch, jobs: Sequence[Job], now: float) -> Job:
    """Return the record of a new batch, which holds its jobs until they are stored."""
    request = NewJob(
        kind=BATCH,
        track_id="",
        spec=new.spec,
        attempt_limit=1,
        queue="",
        correlation_id=new.correlation_id,
        job_id=new.job_id,
        idempotency_key=new.idempotency_key,
        traceparent=new.traceparent,
    )
    # Without a queue and a due time, neither workers nor the repair of lost commands see the batch.
    record = dataclasses.replace(queued(principal, request, now), attempt_limit=0, queue="", due_time=None)
    planned = [
        dataclasses.replace(job, batch_id=record.id, create_time=now + index * _ORDER_SECONDS)
        for index, job in enumerate(jobs)
    ]
    batch = Batch(job_ids=[job.id for job in jobs], planned=planned, total_count=len(jobs))
    return dataclasses.replace(record, batch=batch)


def planned_jobs(record: Job) -> Sequence[Job]:
    """Return the jobs of a batch that may not be stored yet."""
    return record.batch.planned if record.batch is not None else ()


def summarized(record: Job, jobs: Sequence[Job], now: float) -> Job:
    """Return a batch with the state, the progress and the counts that follow from its jobs. An ended batch only gets ``jobs``.

    The progress is the mean of the jobs. An ended job counts as done. Once all have ended, the batch

    - is cancelled if its owner has cancelled it and this has cancelled a job;
    - otherwise has succeeded if any job has, and has failed if any job has failed;
    - otherwise is cancelled, like all of its jobs.
    """
    assert record.batch is not None
    listed = [BatchJob(job.id, job.track_id, job.state, job.progress_ratio, _shown_error(job)) for job in jobs]
    if record.state.terminal:
        return dataclasses.replace(record, batch=dataclasses.replace(record.batch, jobs=listed))
    states = [job.state for job in jobs]
    batch = dataclasses.replace(
        record.batch,
        jobs=listed,
        completed_count=states.count(JobState.SUCCEEDED),
        failed_count=states.count(JobState.FAILED),
        cancelled_count=states.count(JobState.CANCELLED),
    )
    start_times = [job.start_time for job in jobs if job.start_time is not None]
    changed = dataclasses.replace(
        record,
        batch=batch,
        progress_ratio=sum(1.0 if job.state.terminal else job.progress_ratio for job in jobs) / max(1, len(jobs)),
        progress_message=f"{sum(state.terminal for state in states)} of {batch.total_count} done",
        start_time=min(start_times, default=None),
    )
    if record.batch.planned or any(not state.terminal for state in states):
        begun = record.state is JobState.RUNNING or any(state is not JobState.QUEUED for state in states)
        return dataclasses.replace(changed, state=JobState.RUNNING if begun else JobState.QUEUED)
    state = _final_state(record, batch)
    return dataclasses.replace(
        changed, state=state, error=_error(state, batch), finish_time=now, webhooks_pending=True, progress_ratio=1.0
    )


def _final_state(record: Job, batch: Batch) -> JobState:
    if record.cancel_requested and batch.cancelled_count:
        return JobState.CANCELLED
    if batch.completed_count:
        return JobState.SUCCEEDED
    return JobState.FAILED if batch.failed_count else JobState.CANCELLED


def _error(state: JobState, batch: Batch) -> JobError | None:
    if state is JobState.CANCELLED:
        return JobError("CANCELLED", "cancelled")
    if state is JobState.FAILED:
        return JobError(
            "BATCH_FAILED",
            f"None of the {batch.total_count} jobs has completed. Each job says why it failed. Then retry the batch.",
        )
    return None


def _shown_error(job: Job) -> JobError | None:
    """Return why a job failed or was cancelled. Errors of attempts that are repeated are not shown."""
    return job.error if job.state in (JobState.FAILED, JobState.CANCELLED) else None

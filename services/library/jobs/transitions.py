"""The state transitions of a job: each returns the job afterwards, and changes nothing.

Times are seconds since 1970. The functions for workers raise ``ATTEMPT_STALE`` if another attempt has claimed the job.
"""

import dataclasses
from collections.abc import Sequence

from soundwright.kit import errors
from soundwright.services.library.jobs.service import (
    AudioOutput,
    ExternalTask,
    Job,
    JobError,
    JobResult,
    JobState,
    Stage,
)

_CANCELLED = JobError("CANCELLED", "cancelled")


def ended(job: Job, state: JobState, now: float, error: JobError | None) -> Job:
    stages = [
        dataclasses.replace(s, state=JobState.FAILED, finish_time=now, error_message=error.message if error else "")
        if s.state is JobState.RUNNING
        else s
        for s in job.stages
    ]
    return dataclasses.replace(
        job,
        state=state,
        finish_time=now,
        lease_until=None,
        due_time=None,
        error=error,
        stages=stages,
        webhooks_pending=True,
    )


def cancelled(job: Job, now: float) -> Job:
    """End a queued job, or request a running one or a batch to stop. Raises ``JOB_FINISHED``."""
    if job.state is JobState.QUEUED and job.batch is None:
        return ended(job, JobState.CANCELLED, now, _CANCELLED)
    if not job.state.terminal:
        return dataclasses.replace(job, cancel_requested=True)
    if job.state is JobState.CANCELLED:
        return job
    raise errors.JOB_FINISHED(state=job.state)


def claimed(job: Job, now: float, command_id: str, worker_id: str, lease_seconds: float, *, orphaned: bool) -> Job:
    """Begin a new attempt, or end the job if it was cancelled, its track was deleted, or it has no attempts left."""
    job = dataclasses.replace(job, command_id=command_id)
    if orphaned or job.cancel_requested:
        return ended(job, JobState.CANCELLED, now, _CANCELLED)
    if job.attempt >= job.attempt_limit:
        lost = errors.WORKER_LOST(attempt_count=job.attempt)
        return ended(job, JobState.FAILED, now, job.error or JobError(lost.reason, lost.message))
    return dataclasses.replace(
        job,
        state=JobState.RUNNING,
        attempt=job.attempt + 1,
        worker_id=worker_id,
        lease_until=now + lease_seconds,
        due_time=None,
        start_time=now,
        progress_ratio=0.0,
        progress_message="",
        stages=[
            dataclasses.replace(s, state=JobState.QUEUED, start_time=None, finish_time=None, error_message="")
            for s in job.stages
        ],
    )


def progressed(
    job: Job,
    attempt: int,
    lease_until: float,
    ratio: float,
    message: str,
    stages: Sequence[Stage],
    external_task: ExternalTask | None,
) -> Job:
    """Extend the lease and record progress, which never falls."""
    require_attempt(job, attempt)
    return dataclasses.replace(
        job,
        lease_until=lease_until,
        progress_ratio=max(job.progress_ratio, min(1.0, ratio)),
        progress_message=message or job.progress_message,
        stages=list(stages) or job.stages,
        external_task=external_task or job.external_task,
    )


def succeeded(
    job: Job, attempt: int, now: float, result: JobResult, stages: Sequence[Stage], stored_bytes: int, *, orphaned: bool
) -> Job:
    """Store the result once. A job whose track was deleted is cancelled instead."""
    if job.state is JobState.SUCCEEDED and job.attempt == attempt:
        return job
    require_attempt(job, attempt)
    if orphaned:
        return ended(job, JobState.CANCELLED, now, _CANCELLED)

    def owned(output: AudioOutput) -> AudioOutput:
        return dataclasses.replace(output, job_id=job.id, track_id=job.track_id, owner_id=job.owner_id, create_time=now)

    outputs, mix = [owned(output) for output in result.outputs], result.mix and owned(result.mix)
    return dataclasses.replace(
        ended(job, JobState.SUCCEEDED, now, None),
        result=dataclasses.replace(result, outputs=outputs, mix=mix),
        stages=list(stages) or job.stages,
        progress_ratio=1.0,
        results_pending=True,
        stored_bytes=stored_bytes or None,
    )


def failed(job: Job, attempt: int, now: float, error: JobError, stages: Sequence[Stage], *, orphaned: bool) -> Job:
    """End the job as failed, or as cancelled if a cancellation was requested or its track was deleted."""
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        return job
    require_attempt(job, attempt)
    job = dataclasses.replace(job, stages=list(stages) or job.stages)
    if orphaned or job.cancel_requested:
        return ended(job, JobState.CANCELLED, now, _CANCELLED)
    return ended(job, JobState.FAILED, now, error)


def released(
    job: Job, attempt: int, now: float, delay_seconds: float, error: JobError | None, *, refund_attempt: bool
) -> Job:
    """Return a job to the queue after a transient failure. Without attempts left, the job fails."""
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        return job  # already released, or claimed by another worker
    if job.cancel_requested:
        return ended(job, JobState.CANCELLED, now, _CANCELLED)
    if error is not None and job.attempt >= job.attempt_limit:
        return ended(job, JobState.FAILED, now, error)
    return dataclasses.replace(
        job,
        state=JobState.QUEUED,
        attempt_limit=job.attempt_limit + refund_attempt,
        lease_until=None,
        worker_id="",
        due_time=now + max(0.0, delay_seconds),
        error=error or job.error,
    )


def republished(job: Job, now: float, revision: int) -> Job:
    """Queue a job again whose command or worker was lost, unless it has changed since it had this revision."""
    if job.revision != revision:
        raise errors.ATTEMPT_STALE()
    return dataclasses.replace(
        job, state=JobState.QUEUED, lease_until=None, worker_id="", due_time=now, publication=job.publication + 1
    )


def require_attempt(job: Job, attempt: int) -> None:
    """
    Raises ``ATTEMPT_STALE``.
    """
    if job.state is not JobState.RUNNING or job.attempt != attempt:
        raise errors.ATTEMPT_STALE()

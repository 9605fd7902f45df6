"""The public status, progress and error of a job or download, for all dialects."""

from typing import Literal, cast

from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.services.gateway.job_kinds import job_kind

ENDED = frozenset({job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})

JobStatus = Literal["queued", "downloading", "processing", "completed", "failed"]
_STATUSES: dict[job_pb2.JobState.ValueType, JobStatus] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}
DownloadStatus = Literal["queued", "downloading", "completed", "failed"]
_DOWNLOAD_STATUSES: dict[job_pb2.JobState.ValueType, DownloadStatus] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "downloading",
    job_pb2.JOB_STATE_SUCCEEDED: "downloading",  # the job succeeded after the library had read the track
}


def status(job: job_pb2.Job) -> JobStatus:
    """Return the public status of a job. The status of a cancelled job is "failed"."""
    if job.state == job_pb2.JOB_STATE_RUNNING:
        return cast(JobStatus, job_kind(job.kind).running_status)
    return _STATUSES.get(job.state, "queued")


def progress(job: job_pb2.Job) -> int:
    """Return the progress in whole percent, rounded down. 100 means that the job succeeded."""
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return 100
    return max(0, min(99, int(job.progress_ratio * 100)))


def progress_message(job: job_pb2.Job) -> str | None:
    """Return the current step of a running job, the stems of a completed one that exceed full scale, or None."""
    if job.state == job_pb2.JOB_STATE_RUNNING:
        return job.progress_message or None
    loud = [output.name for output in job.result.outputs if output.peak > 1.0]
    if not loud or not job.result.outputs_are_stems:
        return None
    return f"Above full scale, and therefore WAV with 32-bit floats: {', '.join(loud)}."


def error_text(job: job_pb2.Job) -> str | None:
    """Return the error of a failed or cancelled job, or None. Errors of attempts that are retried are not shown."""
    if job.state == job_pb2.JOB_STATE_CANCELLED:
        return "cancelled"
    if job.state == job_pb2.JOB_STATE_FAILED:
        return str(job.error.message) or "failed"
    return None


def download_status(track: track_pb2.Track) -> DownloadStatus:
    """Return the public word for the state of a track's download; "completed" for every track with audio."""
    if not track.HasField("pending_download"):
        return "completed"
    return _DOWNLOAD_STATUSES.get(track.pending_download.state, "failed")


def download_error(track: track_pb2.Track) -> job_pb2.JobError | None:
    """Return why the download of a track failed or was cancelled; None if it did not."""
    pending = track.pending_download
    return pending.error if track.HasField("pending_download") and pending.HasField("error") else None

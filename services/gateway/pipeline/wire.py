"""Jobs as the pipeline dialect shows them."""

from __future__ import annotations

from typing import Any

from soundwright.library.v1 import job_pb2

from kit.ports import Blobs

__all__ = ["STAGES", "documented_outputs", "job_to_wire", "outputs_to_wire"]

STAGES = (
    ("audio_separation", "separator"),
    ("harmonic_percussive_separation", "decomposition"),
    ("composite_track_creation", "composition"),
    ("normalization", "audio_processing"),
)
_TRACKS = (
    "vocals",
    "drums",
    "bass",
    "other",
    "harmonic",
    "percussive",
    "main",
    "main_harmonic",
    "main_percussive",
)
_JOB_WORDS = {
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}
_STAGE_WORDS = {
    job_pb2.JOB_STATE_QUEUED: "pending",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}


def job_to_wire(job: job_pb2.Job, blobs: Blobs) -> dict[str, Any]:
    status = _JOB_WORDS.get(job.state, "processing")
    stages = [_stage_to_wire(stage) for stage in job.stages]
    if status == "processing" and all(stage["status"] == "pending" for stage in stages[:1]):
        # The contract knows no queue: an accepted job is at work on its first stage from the moment it was accepted.
        for first in stages[:1]:
            first |= {"status": "processing", "started_at": _time(job, "create_time")}
    if status == "failed" and not any(stage["status"] == "failed" for stage in stages):
        # It failed between stages, or before the first: the reason must be visible somewhere.
        broken = next((stage for stage in stages if stage["status"] == "pending"), None)
        if broken is not None:
            broken |= {"status": "failed", "error": job.error.message or "failed"}
    return {
        "job_id": job.id,
        "status": status,
        "created_at": _time(job, "create_time"),
        "stages": stages,
        "outputs": outputs_to_wire(job, blobs),
    }


def documented_outputs(job: job_pb2.Job) -> list[job_pb2.AudioOutput]:
    """The nine tracks of the contract, in its order; none until the job is completed.

    What a job made beyond them (the normalised recording) can be downloaded by its name, but is not listed.
    """
    outputs = {output.name: output for output in job.result.outputs}
    return [outputs[name] for name in _TRACKS if name in outputs]


def outputs_to_wire(job: job_pb2.Job, blobs: Blobs) -> dict[str, str]:
    """Track name to where it lies."""
    return {output.name: blobs.locate(output.blob_key) for output in documented_outputs(job)}


def _stage_to_wire(stage: job_pb2.Stage) -> dict[str, Any]:
    duration = None
    if stage.HasField("start_time") and stage.HasField("finish_time"):
        duration = (stage.finish_time.ToMicroseconds() - stage.start_time.ToMicroseconds()) / 1e6
    return {
        "name": stage.name,
        "processor_type": stage.processor_type,
        "status": _STAGE_WORDS.get(stage.state, "pending"),
        "started_at": _time(stage, "start_time"),
        "completed_at": _time(stage, "finish_time"),
        "error": stage.error_message or None,
        "duration_seconds": duration,
    }


def _time(message: Any, name: str) -> str | None:
    """Naive UTC with microseconds."""
    return f"{getattr(message, name).ToDatetime():%Y-%m-%dT%H:%M:%S.%f}" if message.HasField(name) else None

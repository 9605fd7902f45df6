"""Converts jobs to the format of the pipeline dialect."""

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from soundwright.kit.pipeline import PIPELINE_TRACKS
from soundwright.kit.ports import Blobs
from soundwright.library.v1 import job_pb2
from soundwright.services.gateway.openapi.responses import Uuid

_Time = Annotated[
    str, Field(description="UTC with microseconds, without a time zone", examples=["2026-03-04T18:30:00.120045"])
]
_StageName = Annotated[str, Field(examples=["audio_separation"])]
_ProcessorType = Annotated[str, Field(examples=["separator"])]
Outputs = Annotated[
    dict[str, str],
    Field(
        description=f"The path of each track in the file store: {', '.join(PIPELINE_TRACKS)}. Empty until the job is completed. "
        "`GET /download/{job_id}/{track_name}` returns the file.",
        examples=[{"vocals": "/app/outputs/a1b2c3d4/vocals.wav", "drums": "/app/outputs/a1b2c3d4/drums.wav"}],
    ),
]


class ConfiguredStage(TypedDict):
    name: _StageName
    processor_type: _ProcessorType


class PipelineConfig(TypedDict):
    """The size limit, the supported formats and the stages."""

    max_file_size_mb: Annotated[int, Field(examples=[500])]
    supported_formats: Annotated[list[str], Field(examples=[["wav", "mp3", "flac", "ogg"]])]
    pipeline_stages: list[ConfiguredStage]


_StageStatus = Literal["pending", "processing", "completed", "failed"]
_JobStatus = Literal["processing", "completed", "failed"]


class PipelineStage(TypedDict):
    """A stage of a job."""

    name: _StageName
    processor_type: _ProcessorType
    status: Annotated[_StageStatus, Field(examples=["completed"])]
    started_at: _Time | None
    completed_at: _Time | None
    error: str | None
    duration_seconds: Annotated[float | None, Field(examples=[41.7])]


class PipelineJob(TypedDict):
    """A job with its stages and outputs."""

    job_id: Uuid
    status: Annotated[_JobStatus, Field(examples=["completed"])]
    created_at: _Time | None
    stages: list[PipelineStage]
    outputs: Outputs


class PipelineError(TypedDict):
    """An error."""

    detail: str | Annotated[list[dict[str, Any]], Field(description="The errors of an invalid form.")]


_JOB_STATUSES: dict[job_pb2.JobState.ValueType, _JobStatus] = {
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}
_STAGE_STATUSES: dict[job_pb2.JobState.ValueType, _StageStatus] = {
    job_pb2.JOB_STATE_QUEUED: "pending",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}


def job_to_wire(job: job_pb2.Job, blobs: Blobs) -> PipelineJob:
    status = _JOB_STATUSES.get(job.state, "processing")
    stages = [_stage_to_wire(stage) for stage in job.stages]
    if status == "processing" and all(stage["status"] == "pending" for stage in stages[:1]):
        # The contract has no queue: the first stage of a job is processing as soon as the job is created.
        for first in stages[:1]:
            first |= {"status": "processing", "started_at": _time(job, "create_time")}
    if status == "failed" and not any(stage["status"] == "failed" for stage in stages):
        # The job failed between stages or before the first one. Report the error in the next stage.
        next_stage = next((stage for stage in stages if stage["status"] == "pending"), None)
        if next_stage is not None:
            next_stage |= {"status": "failed", "error": job.error.message or "failed"}
    return {
        "job_id": job.id,
        "status": status,
        "created_at": _time(job, "create_time"),
        "stages": stages,
        "outputs": outputs_to_wire(job, blobs),
    }


def documented_outputs(job: job_pb2.Job) -> list[job_pb2.AudioOutput]:
    """Return the nine tracks in the order of the contract; none until the job is completed.

    Other outputs of a job, such as the normalised recording, can be downloaded by name but are not listed.
    """
    outputs = {output.name: output for output in job.result.outputs}
    return [outputs[name] for name in PIPELINE_TRACKS if name in outputs]


def outputs_to_wire(job: job_pb2.Job, blobs: Blobs) -> dict[str, str]:
    """Return the paths of the outputs by track name."""
    return {output.name: blobs.locate(output.blob_key) for output in documented_outputs(job)}


def _stage_to_wire(stage: job_pb2.Stage) -> PipelineStage:
    duration = None
    if stage.HasField("start_time") and stage.HasField("finish_time"):
        duration = (stage.finish_time.ToMicroseconds() - stage.start_time.ToMicroseconds()) / 1e6
    return {
        "name": stage.name,
        "processor_type": stage.processor_type,
        "status": _STAGE_STATUSES.get(stage.state, "pending"),
        "started_at": _time(stage, "start_time"),
        "completed_at": _time(stage, "finish_time"),
        "error": stage.error_message or None,
        "duration_seconds": duration,
    }


def _time(message: Any, name: str) -> str | None:
    """Return a time field as UTC with microseconds and without a time zone; None if it is not set."""
    return f"{getattr(message, name).ToDatetime():%Y-%m-%dT%H:%M:%S.%f}" if message.HasField(name) else None

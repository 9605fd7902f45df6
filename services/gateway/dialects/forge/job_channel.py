"""The end of a job in the topic ``jobs:<id>`` of the Phoenix channels, in the format of the forge dialect."""

from typing import Any

from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.services.gateway.channels import Push
from soundwright.services.gateway.dialects.forge.serializers import JOB_TYPES, stem_to_wire
from soundwright.services.gateway.job_kinds import job_kind
from soundwright.services.gateway.job_views import error_text


def final_push(shown_id: str, job: job_pb2.Job, track: track_pb2.Track | None) -> Push:
    """Return the last event of a job. See :data:`~soundwright.services.gateway.channels.topics.FinalPush`."""
    about: dict[str, Any] = {"job_id": shown_id, "job_type": JOB_TYPES.get(job.kind, "unknown")}
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        about["track_id"] = job.track_id or None
        return Push("job:completed", {**about, "result": result_to_wire(job, track)}, required=True)
    return Push("job:failed", {**about, "error": error_text(job)}, required=True)


def result_to_wire(job: job_pb2.Job, track: track_pb2.Track | None) -> dict[str, Any]:
    """Return the result of a succeeded job: ``output_path``, ``file_size`` in bytes, and ``stems`` of a separation.

    Args:
        track: the track that the job created, unless it was deleted.
    """
    file = job_kind(job.kind).result_file(job, track)
    result: dict[str, Any] = {"output_path": file.path, "file_size": file.size_bytes}
    if job.result.outputs_are_stems:
        result["stems"] = [stem_to_wire(stem) for stem in job.result.outputs]
    return result

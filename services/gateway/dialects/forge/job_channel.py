"""The Phoenix channels of the forge dialect: the topic ``jobs:<id>``, its events and their payloads."""

from __future__ import annotations

from typing import Any

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from services.gateway.channels.topics import JobTopics, KnownJob, Push
from services.gateway.dialects.forge.serializers import JOB_TYPES, stem_to_wire
from services.gateway.job_kinds import job_kind
from services.gateway.job_views import error_text, progress, progress_message, status


class JobChannel:
    """The topic ``jobs:<id>`` of one client. A :class:`~services.gateway.channels.topics.JobTopic`.

    The client receives only changes. Progress never decreases, even if the job is attempted again. The final event is
    sent once.

    Args:
        shown_id: the job's ID as the client wrote it.
    """

    def __init__(self, shown_id: str) -> None:
        self._shown_id = shown_id
        self._known = KnownJob()
        self._track: track_pb2.Track | None = None
        self._sent: dict[str, Any] = {}
        self._open = False

    @property
    def ended(self) -> bool:
        return self._known.ended

    def open(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        self._update(job, track)
        self._open = True
        return self._changes(snapshot=True)

    def on_progress(self, event: events_pb2.JobProgressed) -> list[Push]:
        return self._changes() if self._known.on_progress(event) and self._open else []

    def on_record(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        return self._changes() if self._update(job, track) and self._open else []

    def _update(self, job: job_pb2.Job, track: track_pb2.Track | None) -> bool:
        if not self._known.on_record(job):
            return False
        self._track = track
        return True

    def _changes(self, snapshot: bool = False) -> list[Push]:
        job = self._known.job
        payload = {
            "job_id": self._shown_id,
            "status": status(job),
            "progress": max(progress(job), self._sent.get("progress", 0)),
            "message": progress_message(job) or "",
        }
        if payload == self._sent:
            return []
        self._sent = payload
        pushes = [Push("job:progress", payload, required=snapshot or self.ended)]
        if self.ended:
            pushes.append(self._final_push())
        return pushes

    def _final_push(self) -> Push:
        job = self._known.job
        about: dict[str, Any] = {"job_id": self._shown_id, "job_type": JOB_TYPES.get(job.kind, "unknown")}
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            about["track_id"] = job.track_id or None
            return Push("job:completed", {**about, "result": result_to_wire(job, self._track)}, required=True)
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


FORGE_TOPICS = JobTopics("jobs:", JobChannel)
"""The channels of this dialect."""

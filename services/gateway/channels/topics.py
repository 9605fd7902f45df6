"""What one client learns of a job, in its topic ``jobs:<id>``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2
from soundwright.services.gateway.job_views import ENDED, progress, progress_message, status


@dataclass(frozen=True)
class Push:
    """An event for the client. An event that is not ``required`` may be dropped if a newer one follows soon."""

    event: str
    payload: dict[str, Any]
    required: bool


FinalPush = Callable[[str, job_pb2.Job, track_pb2.Track | None], Push]
"""Returns the last event of a job from its ID as the client wrote it, its record, and the track that it created."""


class JobTopic:
    """The topic of one job for one client, who receives only changes.

    Records and events may arrive late or repeatedly, and events may be lost. Progress never decreases, even if the job is
    attempted again. The final event is sent once.

    Args:
        shown_id: the job's ID as the client wrote it.
        final_push: returns the final event, in the format of a dialect.
    """

    def __init__(self, shown_id: str, final_push: FinalPush) -> None:
        self._shown_id = shown_id
        self._final_push = final_push
        self._job = job_pb2.Job()  # the latest known state
        self._track: track_pb2.Track | None = None
        self._sent: dict[str, Any] = {}
        self._open = False

    @property
    def ended(self) -> bool:
        """Whether the job has finished. No events follow."""
        return self._job.state in ENDED

    def open(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        """Start with the ledger's record. Return a snapshot, and the final event if the job has finished."""
        self._learn(job, track)
        self._open = True
        return self._changes(snapshot=True)

    def on_progress(self, event: events_pb2.JobProgressed) -> list[Push]:
        """Apply a progress event. Return the events that are new to the client."""
        job = job_pb2.Job()
        job.CopyFrom(self._job)
        job.kind, job.state, job.attempt = event.kind, job_pb2.JOB_STATE_RUNNING, event.attempt
        job.progress_ratio, job.progress_message = event.progress_ratio, event.progress_message
        return self.on_record(job, self._track)

    def on_record(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        """Apply the ledger's record and the track that the job created. Return the events that are new to the client."""
        return self._changes() if self._learn(job, track) and self._open else []

    def _learn(self, job: job_pb2.Job, track: track_pb2.Track | None) -> bool:
        """Apply a state of the job. Return whether it was newer than the known one."""
        known = self._job
        if self.ended:
            return False
        if job.state not in ENDED:
            behind = job.attempt == known.attempt and job.progress_ratio < known.progress_ratio
            if job.attempt < known.attempt or (job.state == known.state and behind):
                return False
        self._job, self._track = job, track
        return True

    def _changes(self, snapshot: bool = False) -> list[Push]:
        job = self._job
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
        return [*pushes, self._final_push(self._shown_id, job, self._track)] if self.ended else pushes

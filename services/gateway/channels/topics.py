"""Topics about jobs, and the interface through which a dialect defines their events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from services.gateway.job_views import ENDED


@dataclass(frozen=True)
class Push:
    """An event for the client. An event that is not ``required`` may be dropped if a newer one follows soon."""

    event: str
    payload: dict[str, Any]
    required: bool


class KnownJob:
    """The latest known state of a job, merged from events and the ledger.

    Both may arrive late or repeatedly, and events may be lost.
    """

    def __init__(self) -> None:
        self.job = job_pb2.Job()

    @property
    def ended(self) -> bool:
        return self.job.state in ENDED

    def on_progress(self, event: events_pb2.JobProgressed) -> bool:
        """Apply a progress event. Return whether it was newer than the known state."""
        job = job_pb2.Job()
        job.CopyFrom(self.job)
        job.kind, job.state, job.attempt = event.kind, job_pb2.JOB_STATE_RUNNING, event.attempt
        job.progress_ratio, job.progress_message = event.progress_ratio, event.progress_message
        return self.on_record(job)

    def on_record(self, job: job_pb2.Job) -> bool:
        """Apply the ledger's record. Return whether it was newer than the known state."""
        known = self.job
        if self.ended:
            return False
        if job.state not in ENDED:
            behind = job.attempt == known.attempt and job.progress_ratio < known.progress_ratio
            if job.attempt < known.attempt or (job.state == known.state and behind):
                return False
        self.job = job
        return True


class JobTopic(Protocol):
    """The topic of one job for one client. A dialect defines its events and payloads."""

    @property
    def ended(self) -> bool:
        """Whether the job has finished. No events follow."""
        ...

    def open(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        """Start with the ledger's record. Return a snapshot, and the final event if the job has finished."""
        ...

    def on_progress(self, event: events_pb2.JobProgressed) -> list[Push]:
        """Apply a progress event. Return the events that are new to the client."""
        ...

    def on_record(self, job: job_pb2.Job, track: track_pb2.Track | None) -> list[Push]:
        """Apply the ledger's record and the track that the job created. Return the events that are new to the client."""
        ...


@dataclass(frozen=True)
class JobTopics:
    """The topics about jobs that a dialect serves.

    Attributes:
        prefix: the prefix of the topics. The ID of a job follows it.
        topic: creates the topic of a job from the ID as the client wrote it.
    """

    prefix: str
    topic: Callable[[str], JobTopic]

    def serves(self, topic: str) -> bool:
        """Return whether the dialect has this topic."""
        return topic.startswith(self.prefix)

    def named_id(self, topic: str) -> str:
        """Return the id in a topic, as the client wrote it."""
        return topic.removeprefix(self.prefix)

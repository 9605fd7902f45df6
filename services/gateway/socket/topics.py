"""The topic ``jobs:<id>``: what is told about a job, from whatever is learnt about it in whatever order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soundwright.library.v1 import events_pb2, job_pb2, track_pb2

from services.gateway.forge.wire import (
    JOB_TYPES,
    error_text,
    progress,
    progress_message,
    spec_of,
    status,
    stem_file_path,
    stem_to_wire,
    track_file_path,
)
from services.gateway.soundbox.wire import hex_id

__all__ = ["ENDED", "JobChannel", "KnownJob", "Push", "named_id", "result_to_wire", "serves"]

ENDED = frozenset({job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED})
_PREFIX = "jobs:"


def serves(topic: str) -> bool:
    return topic.startswith(_PREFIX)


def named_id(topic: str) -> str:
    """The id in a topic, as the client wrote it."""
    return topic.removeprefix(_PREFIX)


@dataclass(frozen=True)
class Push:
    """An event for the client. One that is not ``lasting`` may be left out when a later one follows soon."""

    event: str
    payload: dict[str, Any]
    lasting: bool


class KnownJob:
    """The newest that is known of one job. What is learnt comes from two sides, events and the ledger, and may be late, lost,
    or there twice."""

    def __init__(self) -> None:
        self.job = job_pb2.Job()

    @property
    def ended(self) -> bool:
        return self.job.state in ENDED

    def hear(self, event: events_pb2.JobProgressed) -> bool:
        """The worker tells how far it is. Whether that is news."""
        job = job_pb2.Job()
        job.CopyFrom(self.job)
        job.kind, job.state, job.attempt = event.kind, job_pb2.JOB_STATE_RUNNING, event.attempt
        job.progress_ratio, job.progress_message = event.progress_ratio, event.progress_message
        return self.read(job)

    def read(self, job: job_pb2.Job) -> bool:
        """The ledger says ``job``. Whether that is news."""
        known = self.job
        if self.ended:
            return False
        if job.state not in ENDED:
            behind = job.attempt == known.attempt and job.progress_ratio < known.progress_ratio
            if job.attempt < known.attempt or (job.state == known.state and behind):
                return False
        self.job = job
        return True


class JobChannel:
    """What one client was told about one job. Told is only what is new: progress never falls, whatever an attempt that begins
    again says, and the end is told once.

    Args:
        shown_id: the job's id as the client wrote it.
    """

    def __init__(self, shown_id: str) -> None:
        self._shown_id = shown_id
        self._known = KnownJob()
        self._result: dict[str, Any] | None = None
        self._told: dict[str, Any] = {}
        self._open = False

    @property
    def ended(self) -> bool:
        return self._known.ended

    def open(self, job: job_pb2.Job, result: dict[str, Any] | None) -> list[Push]:
        """The client is let in, after the ledger said ``job``: a snapshot, and the end if there was one."""
        self._learn(job, result)
        self._open = True
        return self._news(snapshot=True)

    def hear(self, event: events_pb2.JobProgressed) -> list[Push]:
        """The worker tells how far it is."""
        return self._news() if self._known.hear(event) and self._open else []

    def read(self, job: job_pb2.Job, result: dict[str, Any] | None) -> list[Push]:
        """The ledger says ``job``; with its result, if it succeeded."""
        return self._news() if self._learn(job, result) and self._open else []

    def _learn(self, job: job_pb2.Job, result: dict[str, Any] | None) -> bool:
        if not self._known.read(job):
            return False
        self._result = result
        return True

    def _news(self, snapshot: bool = False) -> list[Push]:
        job = self._known.job
        payload = {
            "job_id": self._shown_id,
            "status": status(job),
            "progress": max(progress(job), self._told.get("progress", 0)),
            "message": progress_message(job) or "",
        }
        if payload == self._told:
            return []
        self._told = payload
        pushes = [Push("job:progress", payload, lasting=snapshot or self.ended)]
        if self.ended:
            pushes.append(self._end())
        return pushes

    def _end(self) -> Push:
        job = self._known.job
        about: dict[str, Any] = {"job_id": self._shown_id, "job_type": JOB_TYPES.get(job.kind, "unknown")}
        if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            about["track_id"] = job.track_id or spec_of(job).get("track_id")
            return Push("job:completed", {**about, "result": self._result}, lasting=True)
        return Push("job:failed", {**about, "error": error_text(job)}, lasting=True)


def result_to_wire(job: job_pb2.Job, track: track_pb2.Track | None) -> dict[str, Any]:
    """What a job that succeeded gave: ``output_path`` is where to fetch it, ``file_size`` in bytes, null if not known.

    A separation names its first stem there, and all of them in ``stems``.

    Args:
        track: of a download, the track that came of it, unless it was deleted since.
    """
    match job.kind:
        case job_pb2.JOB_KIND_DOWNLOAD:
            if track is None:
                return _result(None, None)
            return _result(track_file_path(track), track.size_bytes)
        case job_pb2.JOB_KIND_SEPARATION:
            stems = list(job.result.outputs)
            first = (stem_file_path(stems[0]), stems[0].size_bytes) if stems else (None, None)
            return _result(*first) | {"stems": [stem_to_wire(stem) for stem in stems]}
        case job_pb2.JOB_KIND_ANALYSIS:
            return _result(f"/export/analysis/{job.track_id}", None)
        case job_pb2.JOB_KIND_PIPELINE:
            return _result(f"/download/{job.id}/all", None)
        case job_pb2.JOB_KIND_GENERATION:
            return _result(f"/audio/{hex_id(job.id)}.wav", job.result.generation.audio_size_bytes)
        case _:
            return _result(None, None)


def _result(output_path: str | None, size_bytes: int | None) -> dict[str, Any]:
    return {"output_path": output_path, "file_size": size_bytes}

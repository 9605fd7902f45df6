"""Reads jobs and tracks of the caller from the library."""

import contextlib
from collections.abc import Iterator

from soundwright.kit import errors
from soundwright.kit.errors import AppError, Code, suppressed
from soundwright.library.v1 import job_pb2, track_pb2
from soundwright.library.v1 import library_service_pb2 as pb
from soundwright.services.gateway.clients import Clients
from soundwright.services.gateway.wire.parameters import require_uuid


async def own_job(clients: Clients, job_id: str, kind: job_pb2.JobKind.ValueType | None = None) -> job_pb2.Job:
    """Return a job of the caller, of this ``kind`` unless it is None.

    Raises ``JOB_NOT_FOUND``; ``ACCESS_DENIED`` for a job of another account.
    """
    answer = await clients.jobs.GetJob(pb.GetJobRequest(job_id=require_uuid(job_id, errors.JOB_NOT_FOUND)))
    job: job_pb2.Job = answer.job
    if kind is not None and job.kind != kind:
        raise errors.JOB_NOT_FOUND("There is no such job of this kind. See /api/jobs.")
    return job


async def own_track(clients: Clients, track_id: str, *, needs_audio: bool = False) -> track_pb2.Track:
    """Return a track of the caller.

    Raises ``TRACK_NOT_FOUND``, also for a track of another account; ``AUDIO_NOT_READY`` if audio is needed and the
    track has none yet.
    """
    request = pb.GetTrackRequest(track_id=require_uuid(track_id, errors.TRACK_NOT_FOUND), needs_audio=needs_audio)
    with denied_is_unknown():
        track: track_pb2.Track = (await clients.tracks.GetTrack(request)).track
    return track


@contextlib.contextmanager
def denied_is_unknown() -> Iterator[None]:
    """Convert ``ACCESS_DENIED`` to ``TRACK_NOT_FOUND``, so that tracks of other accounts look missing."""
    try:
        yield
    except AppError as error:
        if error.reason == "ACCESS_DENIED":
            raise errors.TRACK_NOT_FOUND() from None
        raise


async def find_track(clients: Clients, track_id: str) -> track_pb2.Track | None:
    """Return a track, or None if it does not exist or the caller may not see it."""
    if not track_id:
        return None
    with suppressed(Code.NOT_FOUND, Code.PERMISSION_DENIED):
        track: track_pb2.Track = (await clients.tracks.GetTrack(pb.GetTrackRequest(track_id=track_id))).track
        return track
    return None


async def own_stem(clients: Clients, stem_id: str) -> job_pb2.AudioOutput:
    """Return a stem of the caller. Raises ``STEM_NOT_FOUND``; ``ACCESS_DENIED`` for a stem of another account."""
    answer = await clients.tracks.GetStem(pb.GetStemRequest(stem_id=require_uuid(stem_id, errors.STEM_NOT_FOUND)))
    stem: job_pb2.AudioOutput = answer.stem
    return stem


async def find_analysis(clients: Clients, track_id: str) -> track_pb2.Analysis | None:
    """Return what the analyses of a track measured, or None if there are none or the track was deleted meanwhile."""
    with suppressed(Code.NOT_FOUND):
        answer = await clients.tracks.GetAnalysis(pb.GetAnalysisRequest(track_id=track_id))
        analysis: track_pb2.Analysis = answer.analysis
        return analysis
    return None


async def created_track(clients: Clients, job: job_pb2.Job) -> track_pb2.Track | None:
    """Return the track that a succeeded job created, or None if it created none or the track was deleted."""
    if job.state != job_pb2.JOB_STATE_SUCCEEDED or not job.creates_track:
        return None
    return await find_track(clients, job.track_id)

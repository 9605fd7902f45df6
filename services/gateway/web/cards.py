"""Jobs and tracks as cards on pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from soundwright.library.v1 import job_pb2, track_pb2

from services.gateway.file_paths import analysis_path, job_file_path, track_audio_path
from services.gateway.job_kinds import JOB_KINDS, Link, job_kind
from services.gateway.job_views import download_error, download_status, error_text, progress, progress_message, status


@dataclass(frozen=True)
class Card:
    """The data of one element in a list on a page."""

    template: ClassVar[str]
    kind_id: ClassVar[str]
    id: str

    @property
    def element_id(self) -> str:
        """The id of the HTML element."""
        return f"{self.kind_id}-{self.id}"


@dataclass(frozen=True)
class JobCard(Card):
    """The card of a job.

    Attributes:
        active: whether the job is queued or running.
        create_time: date and time in UTC.
    """

    template = "job.html"
    kind_id = "job"
    kind: str
    title: str
    state: str
    active: bool
    percent: int
    message: str
    error: str
    create_time: str
    links: tuple[Link, ...]


@dataclass(frozen=True)
class TrackCard(Card):
    """The card of a track.

    Attributes:
        duration: minutes and seconds; empty if unknown.
        path: path of the audio file; empty if the track has no audio yet.
        state: state of the download; empty for a track with audio.
        error: why the download failed.
        create_time: date and time in UTC.
        analysis_path: path of the analysis; empty if the track has none.
    """

    template = "track.html"
    kind_id = "track"
    title: str
    artist: str
    album: str
    duration: str
    path: str
    state: str
    error: str
    create_time: str
    stems: tuple[Link, ...]
    analysis_path: str


def job_card(job: job_pb2.Job, track: track_pb2.Track | None) -> JobCard:
    """Return the card of a job.

    Args:
        track: the track that the job works on or has created; None if it does not exist.
    """
    kind = job_kind(job.kind).word if job.kind in JOB_KINDS else "job"
    return JobCard(
        id=job.id,
        kind=kind,
        title=_title(job, track) or kind.capitalize(),
        state="cancelled" if job.state == job_pb2.JOB_STATE_CANCELLED else status(job),
        active=job.state in (job_pb2.JOB_STATE_QUEUED, job_pb2.JOB_STATE_RUNNING),
        percent=progress(job),
        message=progress_message(job) or "",
        error=error_text(job) or "" if job.state == job_pb2.JOB_STATE_FAILED else "",
        create_time=_minute(job, "create_time"),
        links=tuple(job_kind(job.kind).links(job, track)) if job.state == job_pb2.JOB_STATE_SUCCEEDED else (),
    )


def track_card(track: track_pb2.Track, stems: list[job_pb2.AudioOutput]) -> TrackCard:
    """Return the card of a track with its stems."""
    seconds = round(track.duration_seconds)
    state, failure = download_status(track), download_error(track)
    has_audio = state == "completed"
    cancelled = track.pending_download.state == job_pb2.JOB_STATE_CANCELLED
    return TrackCard(
        id=track.id,
        title=track.title,
        artist=track.artist,
        album=track.album,
        duration=f"{seconds // 60}:{seconds % 60:02}" if seconds or has_audio else "",
        path=track_audio_path(track.id) if has_audio else "",
        state="" if has_audio else "cancelled" if cancelled else state,
        error=failure.message if failure and not cancelled else "",
        create_time=_minute(track, "create_time"),
        stems=tuple(Link(stem.name.replace("_", " "), job_file_path(stem.job_id, stem.name)) for stem in stems),
        analysis_path=analysis_path(track.id) if track.analyzed else "",
    )


def _title(job: job_pb2.Job, track: track_pb2.Track | None) -> str:
    if track is not None:
        return f"{track.title}, {track.artist}" if track.artist else track.title
    return job_kind(job.kind).title_of(job)


def _minute(message: Any, name: str) -> str:
    return f"{getattr(message, name).ToDatetime():%Y-%m-%d %H:%M}"

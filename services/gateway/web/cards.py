"""Jobs and tracks as pages show them, each as a card that says all about one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from soundwright.library.v1 import job_pb2, track_pb2

from services.gateway.forge.wire import error_text, progress, progress_message, spec_of, status
from services.gateway.web.templates import rendered

__all__ = ["CLIP", "Card", "JobCard", "Link", "TrackCard", "job_card", "track_card"]

CLIP = "clip"
"""The name of the one file that a generation gives."""
# The words of the forge dialect call a separation a processing, which is a state as well.
_KINDS = {number: name.removeprefix("JOB_KIND_").lower() for name, number in job_pb2.JobKind.items()}


@dataclass(frozen=True)
class Link:
    text: str
    path: str


@dataclass(frozen=True)
class Card:
    """What is shown of one thing. Two that are equal look the same."""

    template: ClassVar[str]
    kind_id: ClassVar[str]
    id: str

    @property
    def element_id(self) -> str:
        """Of its element on the page."""
        return f"{self.kind_id}-{self.id}"

    @property
    def html(self) -> str:
        """Its element, as it is on the page."""
        return rendered(self.template, card=self)


@dataclass(frozen=True)
class JobCard(Card):
    """A job.

    Attributes:
        active: it is waiting or at work.
        create_time: UTC.
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
    """A track.

    Attributes:
        duration: minutes and seconds.
        path: of its recording.
        create_time: UTC.
        analysis_path: empty: there is none.
    """

    template = "track.html"
    kind_id = "track"
    title: str
    artist: str
    album: str
    duration: str
    path: str
    create_time: str
    stems: tuple[Link, ...]
    analysis_path: str


def job_card(job: job_pb2.Job, track: track_pb2.Track | None) -> JobCard:
    """
    Args:
        track: what the job is about or has brought; None: nothing, or it was deleted since.
    """
    kind = _KINDS.get(job.kind, "job")
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
        links=_results(job, track) if job.state == job_pb2.JOB_STATE_SUCCEEDED else (),
    )


def track_card(track: track_pb2.Track, stems: list[job_pb2.AudioOutput]) -> TrackCard:
    seconds = round(track.duration_seconds)
    return TrackCard(
        id=track.id,
        title=track.title,
        artist=track.artist,
        album=track.album,
        duration=f"{seconds // 60}:{seconds % 60:02}",
        path=_track_path(track),
        create_time=_minute(track, "create_time"),
        stems=tuple(_output_link(stem) for stem in stems),
        analysis_path=_analysis_path(track) if track.analyzed else "",
    )


def _title(job: job_pb2.Job, track: track_pb2.Track | None) -> str:
    if track is not None:
        return _named(track.title, track.artist)
    spec = spec_of(job)
    match job.kind:
        case job_pb2.JOB_KIND_DOWNLOAD:
            song = spec.get("song")
            if isinstance(song, dict):
                return _named(str(song["title"]), ", ".join(song["artists"]))
            return str(spec.get("url", ""))
        case job_pb2.JOB_KIND_GENERATION:
            return str(spec.get("prompt", ""))
        case _:
            return ""


def _named(title: str, artist: str) -> str:
    return f"{title}, {artist}" if artist else title


def _results(job: job_pb2.Job, track: track_pb2.Track | None) -> tuple[Link, ...]:
    match job.kind:
        case job_pb2.JOB_KIND_DOWNLOAD if track is not None:
            return (Link("recording", _track_path(track)),)
        case job_pb2.JOB_KIND_ANALYSIS if track is not None:
            return (Link("analysis", _analysis_path(track)),)
        case job_pb2.JOB_KIND_GENERATION:
            return (Link(CLIP, _file_path(job.id, CLIP)),)
        case _:
            return tuple(_output_link(output) for output in job.result.outputs)


def _output_link(output: job_pb2.AudioOutput) -> Link:
    return Link(output.name.replace("_", " "), _file_path(output.job_id, output.name))


def _file_path(job_id: str, name: str) -> str:
    return f"/jobs/{job_id}/files/{quote(name, safe='')}"


def _track_path(track: track_pb2.Track) -> str:
    return f"/tracks/{track.id}/audio"


def _analysis_path(track: track_pb2.Track) -> str:
    return f"/export/analysis/{track.id}"


def _minute(message: Any, name: str) -> str:
    return f"{getattr(message, name).ToDatetime():%Y-%m-%d %H:%M}"

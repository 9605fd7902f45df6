"""Conversion of tracks, stems and jobs to the JSON of the forge dialect."""

import functools
import json
import math
import operator
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast, get_args

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from starlette.datastructures import URL
from starlette.responses import JSONResponse, Response
from typing_extensions import get_type_hints, is_typeddict

from soundwright.library.v1 import job_pb2, library_service_pb2, track_pb2
from soundwright.services.gateway.dialects.forge.shapes import (
    BatchCounts,
    Corrections,
    JobSummary,
    JobType,
    Stem,
    Track,
    TrackStatus,
)
from soundwright.services.gateway.file_paths import stem_file_path, track_file_path
from soundwright.services.gateway.files.covers import cover_path
from soundwright.services.gateway.files.playback import segment_count, segment_frame_count
from soundwright.services.gateway.job_kinds import JOB_KINDS, job_kind
from soundwright.services.gateway.job_views import (
    download_error,
    download_status,
    error_text,
    progress,
    progress_message,
    status,
)

S = TypeVar("S")
JOB_TYPES: dict[int, JobType] = {kind: descriptor.public_type for kind, descriptor in JOB_KINDS.items()}
"""Public names of job kinds."""


def data(value: Any, status_code: int = 200) -> JSONResponse:
    return JSONResponse({"data": value}, status_code=status_code)


def started(answer: Any, **more: Any) -> JSONResponse:
    """Return the job that a request has created (201), or that an earlier request with the same key has (200).

    Args:
        answer: the response of a component, with ``job`` and ``existed``.
    """
    job: job_pb2.Job = answer.job
    body = {"job_id": job.id, "track_id": job.track_id, **more, "status": status(job)}
    return data(body, 200 if answer.existed else 201)


def listing(values: Any, page: int, page_size: int, total_count: int, links: str = "") -> JSONResponse:
    """Return one page of a list with its ``meta``. ``links`` is the ``Link`` header, from :func:`page_links`."""
    total_pages = math.ceil(total_count / page_size)
    meta = {"page": page, "page_size": page_size, "total_count": total_count, "total_pages": total_pages}
    return JSONResponse({"data": values, "meta": meta}, headers={"Link": links} if links else None)


def page_links(url: URL, page: int, page_size: int, answer: Any) -> str:
    """Return the links to the adjacent pages (RFC 8288). They begin where this page ends, even if the list changes.

    Args:
        answer: the response of the library, with the tokens of the adjacent pages.
    """
    tokens = {"prev": (page - 1, answer.previous_page_token), "next": (page + 1, answer.next_page_token)}
    found = {
        name: url.include_query_params(page=max(1, n), cursor=token) for name, (n, token) in tokens.items() if token
    }
    if not found and page > 1 and answer.total_count:  # beyond the end
        last = min(page - 1, math.ceil(answer.total_count / page_size))
        found = {"prev": url.remove_query_params("cursor").include_query_params(page=last)}
    return ", ".join(f'<{link.path}?{link.query}>; rel="{name}"' for name, link in found.items())


def splice(head: Mapping[str, Any], values_json: str) -> str:
    """Return the JSON object ``head`` followed by the members of ``values_json``, which is large and is not parsed."""
    first, rest = json.dumps(head, separators=(",", ":")), values_json.strip() or "{}"
    if rest == "{}":
        return first
    return f"{first[:-1]}{',' if head else ''}{rest[1:]}"


def json_text(text: str, headers: dict[str, str] | None = None) -> Response:
    """Return a response whose body is already JSON."""
    return Response(text, media_type="application/json", headers=headers)


def time_to_wire(message: Any, name: str) -> str | None:
    """Return a time as ISO 8601 in UTC with whole seconds, or None."""
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp.seconds))


_TIMES = {
    "checked_at": "check_time",
    "completed_at": "finish_time",
    "confirmed_at": "confirm_time",
    "connected_at": "create_time",
    "created_at": "create_time",
    "expires_at": "expire_time",
    "failing_since": "fail_time",
    "inserted_at": "create_time",
    "last_attempt_at": "attempt_time",
    "last_used_at": "use_time",
    "logged_in_at": "authenticate_time",
    "next_attempt_at": "due_time",
    "updated_at": "update_time",
}
"""The names of times in messages."""


def shaped(message: Message, shape: type[S], **given: Any) -> S:
    """Return a message in a shape of the API, with the fields of the same names, and its times.

    A field that can be null is null if it is not set or empty. Shapes in lists are shaped, too.

    Args:
        given: the fields that the message does not have, or not in this form.
    """
    values = {name: read(message) for name, read in _readers(shape, type(message)).items() if name not in given}
    return cast(S, values | given)


def _read_by(shape: Any, kind: type[Message]) -> dict[str, Callable[[Any], Any]]:
    """Return the functions that read the fields of a shape from a message. Enums and messages have none."""
    fields, readers = kind.DESCRIPTOR.fields_by_name, {}
    for name, hint in get_type_hints(shape).items():
        field = fields.get(_TIMES.get(name, name))
        if field is not None and (reader := _reader(field, hint)) is not None:
            readers[name] = reader
    return readers


_readers: Callable[[Any, Any], dict[str, Callable[[Any], Any]]] = functools.cache(_read_by)


def _reader(field: Any, hint: Any) -> Callable[[Any], Any] | None:
    name, read = field.name, operator.attrgetter(field.name)
    if field.is_repeated:
        item: Any = next(iter(get_args(hint)), None)
        if is_typeddict(item):
            return lambda message: [shaped(each, item) for each in read(message)]
        return lambda message: list(read(message))
    if field.message_type is Timestamp.DESCRIPTOR:
        return lambda message: time_to_wire(message, name)
    if field.message_type is not None or field.enum_type is not None:
        return None
    if type(None) not in get_args(hint):
        return read
    if field.has_presence:
        return lambda message: read(message) if message.HasField(name) else None
    return lambda message: read(message) or None


_AUDIO_FIELDS = (
    "filename", "content_type", "content_sha256", "container", "codec", "sample_rate_hz", "channel_count", "frame_count",
)  # fmt: skip


def track_to_wire(track: track_pb2.Track) -> Track:
    has_audio = not track.HasField("pending_download")
    failure = download_error(track)
    return shaped(
        track,
        Track,
        album_art_url=track.cover_url or None,
        cover_path=cover_path(f"/api/tracks/{track.id}", track),
        duration=round(track.duration_seconds),
        corrections=corrections_to_wire(track),
        status=_track_status(track),
        download_status=download_status(track),
        download_error=failure.message if failure else None,
        download_error_code=failure.reason if failure else None,
        file_path=track_file_path(track) if has_audio else None,
        file_size=track.size_bytes if has_audio else None,
        **{name: getattr(track, name) if has_audio else None for name in _AUDIO_FIELDS},
    )


def corrections_to_wire(track: track_pb2.Track) -> Corrections | None:
    return shaped(track.corrections, Corrections) if track.HasField("corrections") else None


def _track_status(track: track_pb2.Track) -> TrackStatus:
    if track.HasField("pending_download"):
        return "pending"
    return "analyzed" if track.analyzed else "processed" if track.stem_count else "downloaded"


def stem_to_wire(stem: job_pb2.AudioOutput) -> Stem:
    return shaped(
        stem,
        Stem,
        stem_type=stem.name,
        file_path=stem_file_path(stem),
        file_size=stem.size_bytes,
        source="lalalai" if stem.source == "lalalai" else "local",
        processing_job_id=stem.job_id,
        download_url=f"/export/stem/{stem.id}",
        duration_seconds=stem.frame_count / stem.sample_rate_hz if stem.sample_rate_hz else 0.0,
        segment_frame_count=segment_frame_count(stem),
        segment_count=segment_count(stem),
    )


def job_to_wire(job: job_pb2.Job, view: library_service_pb2.JobView | None = None) -> JobSummary:
    """Return a job without its result, as in lists of jobs. Without ``view``, what it contains is null."""
    view = view or library_service_pb2.JobView()
    requested = job_kind(job.kind).model_of(job) or None
    summary: JobSummary = {
        "id": job.id,
        "job_type": JOB_TYPES.get(job.kind, "unknown"),
        "title": view.track_title or job_kind(job.kind).title_of(job) or None,
        "model": (requested and job.result.model) or requested,
        "requested_model": requested,
        "degraded_reason": job.result.degraded_reason or None,
        "status": status(job),
        "progress": progress(job),
        "message": progress_message(job),
        "queue_position": view.position or None,
        "estimated_seconds_left": (
            round(view.estimated_seconds_left, 1) if view.HasField("estimated_seconds_left") else None
        ),
        "track_id": job.track_id or None,
        "error": error_text(job),
        "error_code": job.error.reason or "CANCELLED" if error_text(job) else None,
        "attempt": job.attempt,
        "max_attempts": job.attempt_limit,
        "cancel_requested": job.cancel_requested,
        "created_at": time_to_wire(job, "create_time"),
        "started_at": time_to_wire(job, "start_time"),
        "completed_at": time_to_wire(job, "finish_time"),
    }
    if job.batch_id:
        summary["batch_id"] = job.batch_id
    if job.HasField("batch"):
        summary["batch"] = batch_counts(job.batch)
    return summary


def batch_counts(batch: job_pb2.Batch) -> BatchCounts:
    return {
        "total": batch.total_count,
        "completed": batch.completed_count,
        "failed": batch.failed_count,
        "cancelled": batch.cancelled_count,
    }

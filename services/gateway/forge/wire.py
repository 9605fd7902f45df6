"""Stored things as the forge dialect shows them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from soundwright.library.v1 import job_pb2, track_pb2
from starlette.datastructures import URL
from starlette.responses import JSONResponse, Response

from services.gateway.forge.shapes import JobStatus, JobSummary, JobType, Stem, Track

__all__ = [
    "JOB_TYPES",
    "data",
    "error_text",
    "extension",
    "job_to_wire",
    "json_text",
    "listing",
    "progress",
    "progress_message",
    "spec_of",
    "splice",
    "status",
    "stem_file_path",
    "stem_to_wire",
    "time_to_wire",
    "track_file_path",
    "track_to_wire",
]

JOB_TYPES: dict[job_pb2.JobKind, JobType] = {
    job_pb2.JOB_KIND_DOWNLOAD: "download",
    job_pb2.JOB_KIND_SEPARATION: "processing",
    job_pb2.JOB_KIND_ANALYSIS: "analysis",
    job_pb2.JOB_KIND_GENERATION: "generation",
    job_pb2.JOB_KIND_PIPELINE: "pipeline",
    job_pb2.JOB_KIND_EXPORT: "export",
}
_STATUSES: dict[job_pb2.JobState, JobStatus] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
    job_pb2.JOB_STATE_CANCELLED: "failed",
}


def data(value: Any, status_code: int = 200) -> JSONResponse:
    """The envelope of a success."""
    return JSONResponse({"data": value}, status_code=status_code)


def listing(values: Any, page: int, page_size: int, total_count: int, url: URL | None = None) -> JSONResponse:
    """The envelope of one page of a list; with its address, also links to its neighbours (RFC 8288)."""
    total_pages = math.ceil(total_count / page_size)
    meta = {"page": page, "page_size": page_size, "total_count": total_count, "total_pages": total_pages}
    neighbours = {"prev": min(page - 1, total_pages), "next": page + 1 if page < total_pages else 0}
    links = [
        f'<{url.path}?{url.include_query_params(page=number).query}>; rel="{name}"'
        for name, number in neighbours.items()
        if url is not None and number
    ]
    return JSONResponse({"data": values, "meta": meta}, headers={"Link": ", ".join(links)} if links else None)


def splice(head: Mapping[str, Any], values_json: str) -> str:
    """The JSON object ``head`` with the members of another one, which is large and stays text, behind its own."""
    first, rest = json.dumps(head, separators=(",", ":")), values_json.strip() or "{}"
    if rest == "{}":
        return first
    return f"{first[:-1]}{',' if head else ''}{rest[1:]}"


def json_text(text: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that is JSON already."""
    return Response(text, media_type="application/json", headers=headers)


def time_to_wire(message: Any, name: str) -> str | None:
    """A time as ISO 8601 in UTC, whole seconds."""
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    return f"{stamp.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def status(job: job_pb2.Job) -> JobStatus:
    """The public word for a job's state."""
    if job.state == job_pb2.JOB_STATE_RUNNING and job.kind == job_pb2.JOB_KIND_DOWNLOAD:
        return "downloading"
    return _STATUSES.get(job.state, "queued")


def progress(job: job_pb2.Job) -> int:
    """Whole percent, rounded down: 100 says that it is done."""
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return 100
    return max(0, min(99, int(job.progress_ratio * 100)))


def progress_message(job: job_pb2.Job) -> str | None:
    """What a job is doing just now."""
    return job.progress_message or None if job.state == job_pb2.JOB_STATE_RUNNING else None


def error_text(job: job_pb2.Job) -> str | None:
    """Why a job failed. A failure that will be tried again is none yet."""
    if job.state == job_pb2.JOB_STATE_CANCELLED:
        return "cancelled"
    if job.state == job_pb2.JOB_STATE_FAILED:
        return str(job.error.message) or "failed"
    return None


def spec_of(job: job_pb2.Job) -> dict[str, Any]:
    """What was asked for."""
    spec = json.loads(job.spec_json or "{}")
    return spec if isinstance(spec, dict) else {}


def extension(blob_key: str) -> str:
    name = blob_key.rpartition("/")[2]
    return name.rpartition(".")[2] if "." in name else "bin"


def track_file_path(track: track_pb2.Track) -> str:
    """Where ``/files`` serves a track: ``/files/downloads/<id>/<artist-title>.<ext>``."""
    slug = re.sub(r"[^a-z0-9]+", "-", f"{track.artist}-{track.title}".lower()).strip("-")[:80] or "track"
    return f"/files/downloads/{track.id}/{slug}.{extension(track.blob_key)}"


def stem_file_path(stem: job_pb2.AudioOutput) -> str:
    """Where ``/files`` serves a stem: ``/files/stems/<job>/<name>.<ext>``."""
    return f"/files/stems/{stem.job_id}/{stem.name}.{extension(stem.blob_key)}"


def track_to_wire(track: track_pb2.Track) -> Track:
    return {
        "id": track.id,
        "title": track.title,
        "artist": track.artist or None,
        "album": track.album or None,
        "album_art_url": track.cover_url or None,
        "spotify_id": track.spotify_id or None,
        "spotify_url": track.spotify_url or None,
        "duration": round(track.duration_seconds),
        "duration_seconds": track.duration_seconds,
        "bpm": track.bpm if track.HasField("bpm") else None,
        "key": track.key or None,
        "tags": list(track.tags),
        "source": track.source,
        "status": "analyzed" if track.analyzed else "processed" if track.stem_count else "downloaded",
        "download_status": "completed",
        "stem_count": track.stem_count,
        "filename": track.filename,
        "file_path": track_file_path(track),
        "file_size": track.size_bytes,
        "content_type": track.content_type,
        "content_sha256": track.content_sha256,
        "container": track.container,
        "codec": track.codec,
        "sample_rate_hz": track.sample_rate_hz,
        "channel_count": track.channel_count,
        "frame_count": track.frame_count,
        "warnings": list(track.warnings),
        "created_at": time_to_wire(track, "create_time"),
        "updated_at": time_to_wire(track, "update_time"),
    }


def stem_to_wire(stem: job_pb2.AudioOutput) -> Stem:
    return {
        "id": stem.id,
        "stem_type": stem.name,
        "file_path": stem_file_path(stem),
        "file_size": stem.size_bytes,
        "source": "lalalai" if stem.source == "lalalai" else "local",
        "track_id": stem.track_id,
        "processing_job_id": stem.job_id,
        "download_url": f"/export/stem/{stem.id}",
        "duration_seconds": stem.frame_count / stem.sample_rate_hz if stem.sample_rate_hz else 0.0,
        "sample_rate_hz": stem.sample_rate_hz,
        "channel_count": stem.channel_count,
        "frame_count": stem.frame_count,
        "content_type": stem.content_type,
        "peak": stem.peak,
        "clipped_sample_count": stem.clipped_sample_count,
    }


def job_to_wire(job: job_pb2.Job) -> JobSummary:
    """A job in the common list of jobs, without its result."""
    return {
        "id": job.id,
        "job_type": JOB_TYPES.get(job.kind, "unknown"),
        "status": status(job),
        "progress": progress(job),
        "message": progress_message(job),
        # A download's track comes into being when the job is done; until then it is in what was asked for.
        "track_id": job.track_id or spec_of(job).get("track_id"),
        "error": error_text(job),
        "error_code": job.error.reason or "CANCELLED" if error_text(job) else None,
        "attempt": job.attempt,
        "max_attempts": job.attempt_limit,
        "cancel_requested": job.cancel_requested,
        "created_at": time_to_wire(job, "create_time"),
        "started_at": time_to_wire(job, "start_time"),
        "completed_at": time_to_wire(job, "finish_time"),
    }

"""Converts jobs and clips to the format of the soundbox dialect."""

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from soundwright.generation.v1 import jobs_pb2
from soundwright.kit import errors
from soundwright.library.v1 import generation_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb
from soundwright.services.gateway.dialects.soundbox.identity import public_user_id
from soundwright.services.gateway.dialects.soundbox.shapes import (
    Clip,
    ClipJob,
    ClipStatus,
    HistoryEntry,
    Paged,
    PriorityName,
    QualityDetails,
)
from soundwright.services.gateway.file_paths import hex_id
from soundwright.services.gateway.interpretation import interpretation_to_wire
from soundwright.services.gateway.job_kinds import unpacked
from soundwright.services.gateway.wire.parameters import require_uuid

_STATUS_NAMES: dict[job_pb2.JobState.ValueType, ClipStatus] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
}
_PRIORITY_NAMES: dict[job_pb2.Priority.ValueType, PriorityName] = {
    job_pb2.PRIORITY_ADMIN: "admin",
    job_pb2.PRIORITY_PREMIUM: "premium",
    job_pb2.PRIORITY_STANDARD: "standard",
    job_pb2.PRIORITY_FREE: "free",
}
_SLUG_LIMIT = 30
C = TypeVar("C")


def clip_id(value: str) -> str:
    """Return the ID of a clip in the format of the services, with dashes.

    Raises ``GENERATION_NOT_FOUND`` if ``value`` is not an ID.
    """
    return require_uuid(value, errors.GENERATION_NOT_FOUND)


def time_to_wire(message: Any, name: str, separator: str = "T") -> str | None:
    """Return a time field as UTC in whole seconds, without a time zone; None if it is not set."""
    return f"{getattr(message, name).ToDatetime():%Y-%m-%d{separator}%H:%M:%S}" if message.HasField(name) else None


def duration_to_wire(seconds: float) -> float:
    """Return a duration in seconds; whole seconds as an integer."""
    return int(seconds) if seconds.is_integer() else round(seconds, 3)


# ----------------------------------------------------------------------------------------------------------------- jobs


def status_name(job: job_pb2.Job) -> ClipStatus:
    return _STATUS_NAMES.get(job.state, "failed")


def priority_name(job: job_pb2.Job) -> PriorityName:
    return _PRIORITY_NAMES.get(job.priority, "standard")


def job_spec(job: job_pb2.Job) -> jobs_pb2.GenerationSpec:
    return unpacked(job.spec, jobs_pb2.GenerationSpec)


def preview(prompt: str, limit: int) -> str:
    return f"{prompt[:limit]}..." if len(prompt) > limit else prompt


def progress_of(job: job_pb2.Job) -> tuple[str, int]:
    """Return the progress of a job as text and in percent."""
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return "Complete", 100
    if job.state == job_pb2.JOB_STATE_RUNNING:
        percent = min(99, int(100 * job.progress_ratio))
        return job.progress_message or f"Generating audio... {percent}%", percent
    if job.state == job_pb2.JOB_STATE_QUEUED:
        return "Waiting in queue...", 0
    return "Failed", int(100 * job.progress_ratio)


def job_to_wire(answer: library_pb.GetJobResponse) -> ClipJob:
    """Return a job with all fields of the contract. Fields without a value are null."""
    job = answer.job
    clip = job.result.clip
    done = job.state == job_pb2.JOB_STATE_SUCCEEDED
    progress, percent = progress_of(job)
    spec = job_spec(job)
    return {
        "id": hex_id(job.id),
        "status": status_name(job),
        "progress": progress,
        "progress_pct": percent,
        "filename": _audio_name(job.id) if done else None,
        "spectrogram": _spectrogram_name(job.id, clip) if done else None,
        "quality": _quality_score(clip) if done else None,
        "quality_details": _quality_details(clip) if done else None,
        "error": _error(job),
        "position": answer.position,
        "retry_count": max(0, job.attempt - 1) + clip.retry_count,
        "estimated_wait": round(answer.estimated_wait_seconds, 1),
        "model": spec.model or None,
        "seed": clip.seed if done else spec.seed,
        "engine": job.result.engine or None,
        "engine_model": job.result.model or None,
        "degraded": job.result.degraded,
        "degraded_reason": job.result.degraded_reason or None,
        "interpretation": interpretation_to_wire(clip),
    }


def _error(job: job_pb2.Job) -> str | None:
    return f"Generation failed: {job.error.message}" if job.state == job_pb2.JOB_STATE_FAILED else None


# ---------------------------------------------------------------------------------------------------------------- clips


def clip_to_wire(clip: generation_pb2.Generation) -> Clip:
    """Return a clip. As the contract prescribes, ``category`` is a JSON string and ``is_loop`` is 0 or 1."""
    return {
        "id": hex_id(clip.id),
        "filename": _audio_name(clip.id),
        "prompt": clip.prompt,
        "model": clip.model,
        "duration": duration_to_wire(clip.duration_seconds),
        "is_loop": int(clip.is_loop),
        "quality_score": _quality_score(clip),
        "spectrogram": _spectrogram_name(clip.id, clip),
        "upvotes": clip.upvote_count,
        "downvotes": clip.downvote_count,
        "category": json.dumps(list(clip.categories)) if clip.categories else None,
        "user_id": public_user_id(clip.owner_id),
        "created_at": time_to_wire(clip, "create_time", " "),
        "rating": clip.rating if clip.HasField("rating") else None,
        "play_count": clip.play_count,
        "unique_plays": clip.listener_count,
        "seed": clip.seed,
        "engine": clip.engine,
        "engine_model": clip.engine_model,
        "degraded": clip.degraded,
        "continued_from": hex_id(clip.continued_from_id) or None,
        "interpretation": interpretation_to_wire(clip),
    }


def clips_to_wire(clips: Iterable[generation_pb2.Generation]) -> list[Clip]:
    return [clip_to_wire(clip) for clip in clips]


def clip_to_history(clip: generation_pb2.Generation) -> HistoryEntry:
    return {
        "id": hex_id(clip.id),
        "filename": _audio_name(clip.id),
        "prompt": clip.prompt,
        "model": clip.model,
        "duration": duration_to_wire(clip.duration_seconds),
        "loop": clip.is_loop,
        "rating": clip.rating if clip.HasField("rating") else None,
        "created": time_to_wire(clip, "create_time"),
        "quality_score": _quality_score(clip),
        "quality_issues": list(clip.quality_issues),
        "spectrogram": _spectrogram_name(clip.id, clip),
        "user_id": public_user_id(clip.owner_id),
    }


def page_to_wire(items: list[C], total: int, page: int, per_page: int) -> Paged[C]:
    return {"items": items, "total": total, "page": page, "pages": -(-total // per_page), "per_page": per_page}


_Clip = generation_pb2.Generation | job_pb2.GeneratedClip


def _audio_name(clip_id: str) -> str:
    return f"{hex_id(clip_id)}.wav"


def _spectrogram_name(clip_id: str, clip: _Clip) -> str | None:
    return f"{hex_id(clip_id)}.png" if clip.spectrogram_blob_key else None


def _quality_score(clip: _Clip) -> int | None:
    return clip.quality_score if clip.HasField("quality_score") else None


def _quality_details(clip: _Clip) -> QualityDetails:
    return {"score": _quality_score(clip), "issues": list(clip.quality_issues), "is_good": clip.quality_accepted}


def slug(prompt: str) -> str:
    """Return a prompt for use in a filename: at most 30 characters of a-z, 0-9 and hyphens, truncated between words."""
    words = re.sub(r"[^a-z0-9 -]", "", prompt.lower())
    joined = re.sub(r"[ -]+", "-", words).strip("-")
    cut = joined[:_SLUG_LIMIT]
    if joined[_SLUG_LIMIT : _SLUG_LIMIT + 1] not in ("", "-"):
        cut = cut.rpartition("-")[0] or cut  # drop the incomplete last word
    return cut.strip("-") or "soundbox"

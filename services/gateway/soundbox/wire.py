"""Jobs and clips as the soundbox dialect shows them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar

from soundwright.library.v1 import generation_pb2, job_pb2
from soundwright.library.v1 import library_service_pb2 as library_pb

from services.gateway.params import require_uuid
from services.gateway.soundbox.identity import shown
from services.gateway.soundbox.shapes import (
    Clip,
    ClipJob,
    ClipStatus,
    HistoryEntry,
    Paged,
    PriorityWord,
    QualityDetails,
)

__all__ = [
    "clip_id",
    "clip_to_history",
    "clip_to_wire",
    "clips_to_wire",
    "duration_to_wire",
    "hex_id",
    "job_to_wire",
    "page_to_wire",
    "preview",
    "priority_word",
    "progress_of",
    "requested",
    "slug",
    "status_word",
    "time_to_wire",
]

_STATUS_WORDS: dict[job_pb2.JobState, ClipStatus] = {
    job_pb2.JOB_STATE_QUEUED: "queued",
    job_pb2.JOB_STATE_RUNNING: "processing",
    job_pb2.JOB_STATE_SUCCEEDED: "completed",
    job_pb2.JOB_STATE_FAILED: "failed",
}
_PRIORITY_WORDS: dict[job_pb2.Priority, PriorityWord] = {
    job_pb2.PRIORITY_ADMIN: "admin",
    job_pb2.PRIORITY_PREMIUM: "premium",
    job_pb2.PRIORITY_STANDARD: "standard",
    job_pb2.PRIORITY_FREE: "free",
}
_SLUG_LIMIT = 30
C = TypeVar("C")


def hex_id(identifier: str) -> str:
    """An id as clients see it: 32 hex digits, without dashes."""
    return identifier.replace("-", "")


def clip_id(value: str) -> str:
    """A clip's id as services know it.

    Raises:
        AppError: ``GENERATION_NOT_FOUND`` for what cannot be one.
    """
    return require_uuid(value, "generation")


def time_to_wire(message: Any, name: str, separator: str = "T") -> str | None:
    """Naive UTC, to the second."""
    return f"{getattr(message, name).ToDatetime():%Y-%m-%d{separator}%H:%M:%S}" if message.HasField(name) else None


def duration_to_wire(seconds: float) -> float:
    """Whole seconds as an integer, as they were asked for."""
    return int(seconds) if seconds.is_integer() else round(seconds, 3)


# ----------------------------------------------------------------------------------------------------------------- jobs


def status_word(job: job_pb2.Job) -> ClipStatus:
    return _STATUS_WORDS.get(job.state, "failed")


def priority_word(job: job_pb2.Job) -> PriorityWord:
    return _PRIORITY_WORDS.get(job.priority, "standard")


def requested(job: job_pb2.Job) -> dict[str, Any]:
    """What the job is to make: ``prompt``, ``duration_seconds``, ``model`` and so on."""
    spec: dict[str, Any] = json.loads(job.spec_json or "{}")
    return spec


def preview(prompt: str, limit: int) -> str:
    """The beginning of a prompt."""
    return f"{prompt[:limit]}..." if len(prompt) > limit else prompt


def progress_of(job: job_pb2.Job) -> tuple[str, int]:
    """What the job is at, for people, and how far it is in percent."""
    if job.state == job_pb2.JOB_STATE_SUCCEEDED:
        return "Complete", 100
    if job.state == job_pb2.JOB_STATE_RUNNING:
        percent = min(99, int(100 * job.progress_ratio))
        return job.progress_message or f"Generating audio... {percent}%", percent
    if job.state == job_pb2.JOB_STATE_QUEUED:
        return "Waiting in queue...", 0
    return "Failed", int(100 * job.progress_ratio)


def job_to_wire(answer: library_pb.GetJobResponse) -> ClipJob:
    """Every documented key, whatever the state; null where there is nothing to say yet."""
    job = answer.job
    clip = job.result.generation
    done = job.state == job_pb2.JOB_STATE_SUCCEEDED
    progress, percent = progress_of(job)
    spec = requested(job)
    return {
        "id": hex_id(job.id),
        "status": status_word(job),
        "progress": progress,
        "progress_pct": percent,
        "filename": _audio_name(clip) if done else None,
        "spectrogram": _spectrogram_name(clip) if done else None,
        "quality": _quality_score(clip) if done else None,
        "quality_details": _quality_details(clip) if done else None,
        "error": _error(job),
        "position": answer.position,
        "retry_count": max(0, job.attempt - 1) + clip.retry_count,
        "estimated_wait": round(answer.estimated_wait_seconds, 1),
        "model": spec.get("model"),
        "seed": clip.seed if done else spec.get("seed"),
        "engine": job.result.engine or None,
        "engine_model": job.result.model or None,
        "degraded": job.result.degraded,
        "degraded_reason": job.result.degraded_reason or None,
    }


def _error(job: job_pb2.Job) -> str | None:
    return f"Generation failed: {job.error.message}" if job.state == job_pb2.JOB_STATE_FAILED else None


# ---------------------------------------------------------------------------------------------------------------- clips


def clip_to_wire(clip: generation_pb2.Generation) -> Clip:
    """A row of the library. ``category`` is JSON in a string, ``is_loop`` 0 or 1, as the contract has them."""
    return {
        "id": hex_id(clip.id),
        "filename": _audio_name(clip),
        "prompt": clip.prompt,
        "model": clip.model,
        "duration": duration_to_wire(clip.duration_seconds),
        "is_loop": int(clip.is_loop),
        "quality_score": _quality_score(clip),
        "spectrogram": _spectrogram_name(clip),
        "upvotes": clip.upvote_count,
        "downvotes": clip.downvote_count,
        "category": json.dumps(list(clip.categories)) if clip.categories else None,
        "user_id": shown(clip.owner_id),
        "created_at": time_to_wire(clip, "create_time", " "),
        "rating": clip.rating if clip.HasField("rating") else None,
        "play_count": clip.play_count,
        "unique_plays": clip.listener_count,
        "seed": clip.seed,
        "engine": clip.engine,
        "engine_model": clip.engine_model,
        "degraded": clip.degraded,
        "continued_from": hex_id(clip.continued_from_id) or None,
    }


def clips_to_wire(clips: Iterable[generation_pb2.Generation]) -> list[Clip]:
    return [clip_to_wire(clip) for clip in clips]


def clip_to_history(clip: generation_pb2.Generation) -> HistoryEntry:
    """An entry of the older list, which has other names for some of it."""
    return {
        "id": hex_id(clip.id),
        "filename": _audio_name(clip),
        "prompt": clip.prompt,
        "model": clip.model,
        "duration": duration_to_wire(clip.duration_seconds),
        "loop": clip.is_loop,
        "rating": clip.rating if clip.HasField("rating") else None,
        "created": time_to_wire(clip, "create_time"),
        "quality_score": _quality_score(clip),
        "quality_issues": list(clip.quality_issues),
        "spectrogram": _spectrogram_name(clip),
        "user_id": shown(clip.owner_id),
    }


def page_to_wire(items: list[C], total: int, page: int, per_page: int) -> Paged[C]:
    return {"items": items, "total": total, "page": page, "pages": -(-total // per_page), "per_page": per_page}


def _audio_name(clip: generation_pb2.Generation) -> str:
    return f"{hex_id(clip.id)}.wav"


def _spectrogram_name(clip: generation_pb2.Generation) -> str | None:
    return f"{hex_id(clip.id)}.png" if clip.spectrogram_blob_key else None


def _quality_score(clip: generation_pb2.Generation) -> int | None:
    return clip.quality_score if clip.HasField("quality_score") else None


def _quality_details(clip: generation_pb2.Generation) -> QualityDetails:
    return {"score": _quality_score(clip), "issues": list(clip.quality_issues), "is_good": clip.quality_accepted}


def slug(prompt: str) -> str:
    """A prompt as part of a file name: at most 30 of a-z, 0-9 and hyphens, cut between words."""
    words = re.sub(r"[^a-z0-9 -]", "", prompt.lower())
    joined = re.sub(r"[ -]+", "-", words).strip("-")
    cut = joined[:_SLUG_LIMIT]
    if joined[_SLUG_LIMIT : _SLUG_LIMIT + 1] not in ("", "-"):
        cut = cut.rpartition("-")[0] or cut  # the last word is not whole
    return cut.strip("-") or "soundbox"

"""What ``/openapi.json`` shows of this dialect: the fields of bodies, and an answer of each route."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

__all__ = [
    "CLIP",
    "GENERATED",
    "HISTORY",
    "JOB",
    "PAGE",
    "PLAYLIST",
    "QUEUE",
    "QUEUE_STATUS",
    "STATUS",
    "TRACKS",
    "described",
    "file_of",
]

_ID = "7f0c2a9e41d84b6fb1a35d90c2e8f714"
GENERATED = {
    "success": True,
    "job_id": _ID,
    "position": 1,
    "job_ids": [_ID],
    "queue_message": None,
    "tier": "free",
    "limits": {"max_duration": 60, "per_hour": 10},
}
JOB = {
    "id": _ID,
    "status": "completed",
    "progress": "Complete",
    "progress_pct": 100,
    "filename": f"{_ID}.wav",
    "spectrogram": f"{_ID}.png",
    "quality": 93,
    "quality_details": {"score": 93, "issues": [], "is_good": True},
    "error": None,
    "position": 0,
    "retry_count": 0,
    "estimated_wait": 0.0,
    "model": "music",
    "seed": 7,
    "engine": "procedural",
    "engine_model": "procedural",
    "degraded": False,
    "degraded_reason": None,
}
STATUS = {
    "models": {"music": "ready", "audio": "ready", "magnet-music": "pending", "magnet-audio": "pending"},
    "gpu": {"available": False},
    "queue_length": 0,
    "estimated_wait": 0.0,
}
QUEUE_STATUS = {
    "queue_length": 1,
    "current_job": _ID,
    "jobs": [
        {
            "id": _ID,
            "status": "processing",
            "prompt": "slow cello over vinyl crackle",
            "model": "music",
            "priority": "standard",
            "position": 0,
        }
    ],
}
QUEUE = {
    "jobs": [
        {
            "id": _ID,
            "status": "processing",
            "prompt": "slow cello over vinyl crackle",
            "model": "music",
            "duration": 20,
            "priority": "standard",
            "created": "2026-03-04T18:30:00",
            "progress": "Generating audio... 45%",
            "progress_pct": 45,
            "user_id": "user_xyz",
            "position": 1,
        }
    ],
    "current_job": _ID,
    "total": 1,
}
CLIP = {
    "id": _ID,
    "filename": f"{_ID}.wav",
    "prompt": "slow cello over vinyl crackle",
    "model": "music",
    "duration": 20,
    "is_loop": 0,
    "quality_score": 93,
    "spectrogram": f"{_ID}.png",
    "upvotes": 4,
    "downvotes": 0,
    "category": '["strings", "lofi"]',
    "user_id": "user_xyz",
    "created_at": "2026-03-04 18:30:00",
    "rating": None,
    "play_count": 12,
    "unique_plays": 5,
    "seed": 7,
    "engine": "procedural",
    "engine_model": "procedural",
    "degraded": False,
    "continued_from": None,
}
PAGE = {"items": [CLIP], "total": 1, "page": 1, "pages": 1, "per_page": 20}
TRACKS = {"tracks": [CLIP]}
HISTORY = [
    {
        "id": _ID,
        "filename": f"{_ID}.wav",
        "prompt": "slow cello over vinyl crackle",
        "model": "music",
        "duration": 20,
        "loop": False,
        "rating": 4,
        "created": "2026-03-04T18:30:00",
        "quality_score": 93,
        "quality_issues": [],
        "spectrogram": f"{_ID}.png",
        "user_id": "user_xyz",
    }
]
PLAYLIST = {
    "id": "pl_0123456789ab",
    "name": "Rainy days",
    "description": "",
    "is_public": False,
    "user_id": "user_xyz",
    "track_count": 1,
    "duration": 20,
    "created_at": "2026-03-04 18:30:00",
    "updated_at": "2026-03-04 18:30:00",
}


def file_of(content_type: str) -> dict[int | str, dict[str, Any]]:
    """What a route that answers with a file says of its answers."""
    content = {content_type: {"schema": {"type": "string", "format": "binary"}}}
    return {
        200: {"description": "The file", "content": content},
        206: {"description": "The part of it that was asked for", "content": content},
    }


def described(example: Any, body: type[BaseModel] | None = None, *, body_required: bool = True) -> dict[str, Any]:
    """What a route says of itself: an example of its answer, the fields of its body."""
    description: dict[str, Any] = {"responses": {200: {"content": {"application/json": {"example": example}}}}}
    if body is not None:
        content = {"application/json": {"schema": body.model_json_schema()}}
        description["openapi_extra"] = {"requestBody": {"required": body_required, "content": content}}
    return description

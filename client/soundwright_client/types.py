"""What the API returns. docs/API.md and ``/docs`` of a server describe the fields; those that are missing here are attributes, too."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """A record of the API. Fields of newer servers are kept, so that a client works with all of them."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class Track(Record):
    """A song in the library. During a download it has no audio, and the fields of its file are None."""

    id: str
    title: str
    artist: str | None = None
    album: str | None = None
    duration_seconds: float = 0.0
    bpm: float | None = None
    key: str | None = None
    tags: list[str] = []
    status: str = ""
    download_status: str = ""
    stem_count: int = 0
    filename: str | None = None
    file_path: str | None = None
    file_size: int | None = None
    content_sha256: str | None = None
    sample_rate_hz: int | None = None
    channel_count: int | None = None
    frame_count: int | None = None
    warnings: list[str] = []
    created_at: datetime | None = None


class Stem(Record):
    """A stem of a track."""

    id: str
    stem_type: str
    track_id: str
    processing_job_id: str
    file_path: str = ""
    download_url: str
    file_size: int
    duration_seconds: float
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    content_type: str
    peak: float


class JobResult(Record):
    """The result of a job. That of an analysis has the measured values as further attributes, such as ``tempo``."""

    engine: str = ""
    model: str | None = None
    degraded: bool = False
    degraded_reason: str | None = None
    compute_seconds: float = 0.0
    stems: list[Stem] = []
    interpretation: dict[str, Any] | None = None


class JobRecord(Record):
    """A job of any kind. ``status`` is ``queued``, ``processing``, ``downloading``, ``completed`` or ``failed``."""

    id: str
    job_type: str
    title: str | None = None
    model: str | None = None
    requested_model: str | None = None
    degraded_reason: str | None = None
    status: str
    progress: int = 0
    message: str | None = None
    queue_position: int | None = None
    estimated_seconds_left: float | None = None
    track_id: str | None = None
    error: str | None = None
    error_code: str | None = None
    created_at: datetime | None = None
    completed_at: datetime | None = None
    result: JobResult | None = None

    @property
    def ended(self) -> bool:
        """Whether the job is completed, failed or cancelled."""
        return self.status in ("completed", "failed")

    @property
    def clip_id(self) -> str:
        """The ID of the clip that a generation creates."""
        return self.id.replace("-", "")


class Clip(Record):
    """A generated clip in the library."""

    id: str
    prompt: str
    model: str
    duration: float
    filename: str
    seed: int
    engine_model: str = ""
    degraded: bool = False
    upvotes: int = 0
    play_count: int = 0
    interpretation: dict[str, Any] | None = None


class SeparationModel(Record):
    """A model that separates songs."""

    name: str
    description: str
    stem_types: list[str]
    engine: str
    available: bool
    unavailable_reason: str | None = None
    weights_licence: str | None = None
    measured_speed: float | None = None


class Plan(Record):
    """What a separation of a track would run now."""

    track_id: str
    model: str
    requested_model: str
    model_reason: str | None = None
    degraded_reason: str | None = None
    estimated_seconds: float | None = None
    gain_db: float | None = None
    better_model: str | None = None

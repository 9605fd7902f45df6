"""What the library knows of accounts, tracks and jobs, and who may see it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from kit.errors import AppError, Code
from kit.identity import ANONYMOUS_PREFIX, Principal
from services.library.catalog import Generation

__all__ = [
    "Account",
    "Analysis",
    "AudioOutput",
    "Job",
    "JobError",
    "JobResult",
    "JobState",
    "OutsideWork",
    "Priority",
    "Stage",
    "Track",
    "denied",
    "entitled",
    "made_for",
    "may_see",
    "not_found",
]


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Priority(StrEnum):
    """Order in which queued jobs start, first to last."""

    ADMIN = "admin"
    PREMIUM = "premium"
    STANDARD = "standard"
    FREE = "free"


_RANK = {priority: rank for rank, priority in enumerate(Priority)}
_ENTITLEMENT = {
    "service": Priority.ADMIN,
    "super_admin": Priority.ADMIN,
    "platform_admin": Priority.ADMIN,
    "admin": Priority.ADMIN,
    "enterprise": Priority.PREMIUM,
    "pro": Priority.PREMIUM,
}


@dataclass(frozen=True)
class Account:
    id: str
    email: str
    role: str
    status: str
    password_hash: str
    create_time: float
    confirm_time: float | None = None  # when it was proved that the mail address is the owner's
    session_epoch: int = 0  # sessions and links of an earlier epoch count no more
    token_epoch: int = 0  # API tokens of an earlier epoch count no more
    connection_epoch: int = 0  # connections to accounts elsewhere, likewise
    revision: int = 0


@dataclass(frozen=True)
class Stage:
    """A named part of a job with its own times."""

    name: str
    processor_type: str
    state: JobState = JobState.QUEUED
    start_time: float | None = None
    finish_time: float | None = None
    error_message: str = ""


@dataclass(frozen=True)
class JobError:
    reason: str
    message: str


@dataclass(frozen=True)
class AudioOutput:
    """A stored audio file that a job made; for a separation, a stem."""

    id: str
    name: str
    blob_key: str
    content_type: str
    size_bytes: int
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    peak: float
    clipped_sample_count: int
    job_id: str
    track_id: str
    owner_id: str
    path: str
    source: str = ""  # the outside service that made it; empty: made here
    create_time: float = 0.0
    revision: int = 0


@dataclass(frozen=True)
class JobResult:
    engine: str
    model: str
    degraded: bool
    requested_model: str
    degraded_reason: str
    compute_seconds: float
    outputs: list[AudioOutput] = field(default_factory=list)
    values_json: str = ""
    features: list[str] = field(default_factory=list)
    generation: Generation | None = None


@dataclass(frozen=True)
class OutsideWork:
    """What a job goes by at an outside service that does it for us."""

    source_id: str
    task_ids: list[str] = field(default_factory=list)
    own_key: bool = False  # with the key of the job's owner, not with the platform's


@dataclass(frozen=True)
class Job:
    """A durable unit of work. Times are seconds since 1970."""

    id: str
    kind: str
    owner_id: str
    track_id: str
    state: JobState
    priority: Priority
    spec_json: str
    attempt_limit: int
    command_subject: str
    correlation_id: str
    create_time: float
    fingerprint: str
    idempotency_key: str | None = None
    affinity: str = ""  # jobs that share it share loaded weights
    work_seconds: float = 0.0  # how much there is to do, in seconds of audio; 0: unknown
    attempt: int = 0
    progress_ratio: float = 0.0
    progress_message: str = ""
    stages: list[Stage] = field(default_factory=list)
    result: JobResult | None = None
    error: JobError | None = None
    outside_work: OutsideWork | None = None
    cancel_requested: bool = False
    worker_id: str = ""
    lease_until: float | None = None
    due_time: float | None = None  # queued: when it may start, and from when on its command counts as lost
    publication: int = 0
    unfiled: bool | None = None  # finished, but what belongs to it is not filed yet; None keeps it out of the index
    untold: bool | None = None  # finished, but its end is not recorded for webhooks yet; None as above
    track_create_time: float | None = None  # of the track that it is for: a later one may have the same id
    start_time: float | None = None
    finish_time: float | None = None
    revision: int = 0


@dataclass(frozen=True)
class Track:
    """A recording in somebody's library."""

    id: str
    owner_id: str
    title: str
    artist: str
    album: str
    source: str
    filename: str
    blob_key: str
    content_type: str
    content_sha256: str
    size_bytes: int
    container: str
    codec: str
    sample_rate_hz: int
    channel_count: int
    frame_count: int
    duration_seconds: float
    warnings: list[str]
    spotify_id: str = ""
    spotify_url: str = ""
    cover_url: str = ""
    bpm: float | None = None
    key: str = ""
    tags: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # fields that the owner has set or cleared
    stem_count: int = 0  # of the latest finished separation
    analyzed: bool = False
    create_time: float = 0.0
    update_time: float = 0.0
    revision: int = 0


@dataclass(frozen=True)
class Analysis:
    """The latest measurements of a track."""

    track_id: str
    job_id: str
    owner_id: str
    engine: str
    features: list[str]
    values_json: str
    create_time: float


def made_for(job: Job, track: Track) -> bool:
    """Whether a job is for this very track: a deleted one may have had the same id."""
    if job.track_create_time is None:  # stored by an earlier release
        return job.create_time >= track.create_time
    return job.track_create_time == track.create_time


def may_see(principal: Principal, owner_id: str) -> bool:
    """Owners see what is theirs, services all. What anonymous callers made is seen by whoever knows its random id."""
    return principal.is_service or principal.id == owner_id or owner_id.startswith(ANONYMOUS_PREFIX)


def denied(what: str) -> AppError:
    return AppError(Code.PERMISSION_DENIED, "ACCESS_DENIED", f"This {what} belongs to somebody else.")


def not_found(what: str) -> AppError:
    return AppError(
        Code.NOT_FOUND, f"{what.upper()}_NOT_FOUND", f"There is no such {what}. Check the id; it may have been deleted."
    )


def entitled(principal: Principal, wish: Priority | None) -> Priority:
    """The priority that the caller gets: the wish, capped by the role."""
    cap = _ENTITLEMENT.get(principal.role, Priority.STANDARD)
    if wish is None or _RANK[wish] < _RANK[cap]:
        return cap
    return wish

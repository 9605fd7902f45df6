"""Jobs, their states, priorities and results."""

from dataclasses import dataclass, field
from enum import StrEnum

from soundwright.kit.security.identity import ADMINISTRATION_ROLES, Principal

BATCH = "batch"
"""The kind of the jobs that stand for several others."""


class JobState(StrEnum):
    """The state of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


class Priority(StrEnum):
    """Priorities of jobs, highest first. :mod:`soundwright.services.library.jobs.order` has the whole rule."""

    ADMIN = "admin"
    PREMIUM = "premium"
    STANDARD = "standard"
    FREE = "free"


_RANK = {priority: rank for rank, priority in enumerate(Priority)}
_HIGHEST_PRIORITY = {
    "service": Priority.ADMIN,
    **dict.fromkeys(ADMINISTRATION_ROLES, Priority.ADMIN),
    "enterprise": Priority.PREMIUM,
    "pro": Priority.PREMIUM,
}


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
class PackedMessage:
    """A protobuf message of the service that runs the job. The library stores it and never unpacks it.

    Attributes:
        value: the serialized message in Base64.
    """

    type_url: str
    value: str


@dataclass(frozen=True)
class JobError:
    reason: str
    message: str


@dataclass(frozen=True)
class AudioOutput:
    """An output file of a job. The outputs of a separation are stems."""

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
    source: str = ""  # external service that computed it; empty: this installation
    create_time: float = 0.0
    revision: int = 0


@dataclass(frozen=True)
class Interpretation:
    """What a model understood of a request, and what it chose itself.

    Attributes:
        style, tempo_bpm, key, bars, instruments: what plays. Empty and 0 for sound effects.
        chosen: fields above that the seed chose.
        ignored_words, ignored_parameters: what had no effect.
    """

    style: str = ""
    tempo_bpm: float = 0.0
    key: str = ""
    bars: float = 0.0
    instruments: list[str] = field(default_factory=list)
    sounds: list[str] = field(default_factory=list)
    chosen: list[str] = field(default_factory=list)
    ignored_words: list[str] = field(default_factory=list)
    ignored_parameters: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class GeneratedClip:
    """A generated clip, as described by its worker."""

    prompt: str
    duration_seconds: float
    is_loop: bool = False
    seed: int = 0
    quality_score: int | None = None  # 0 to 100; None: not measurable
    quality_issues: list[str] = field(default_factory=list)
    quality_accepted: bool = True
    retry_count: int = 0
    sample_rate_hz: int = 0
    channel_count: int = 0
    audio_blob_key: str = ""
    spectrogram_blob_key: str = ""  # empty: no spectrogram
    audio_size_bytes: int = 0
    continued_from_id: str = ""
    interpretation: Interpretation | None = None


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    Attributes:
        degraded_reason, degraded_details: why another model ran than the requested one: one sentence, and what to do.
        details: message that only the service of the job and the gateway read.
        outputs_are_stems: whether the outputs replace the stems of the track.
        analysis_json: what an analysis measured, as the text of a JSON object. Empty if the job is no analysis.
        clip: clip for the catalog, or None.
        mix: the recording that the stems are of, with their sample rate and length, or None.
    """

    engine: str
    model: str
    degraded: bool
    requested_model: str
    degraded_reason: str
    compute_seconds: float
    outputs: list[AudioOutput] = field(default_factory=list)
    details: PackedMessage | None = None
    outputs_are_stems: bool = False
    analysis_json: str = ""
    clip: GeneratedClip | None = None
    mix: AudioOutput | None = None
    degraded_details: str = ""


@dataclass(frozen=True)
class ExternalTask:
    """The identifiers of a job at the external service that runs it."""

    source_id: str
    task_ids: list[str] = field(default_factory=list)
    own_key: bool = False  # the owner's API key is used, not the platform's


@dataclass(frozen=True)
class NewTrack:
    """What is known about a track before its download. Empty fields are unknown."""

    title: str
    artist: str = ""
    album: str = ""
    source: str = ""
    spotify_id: str = ""
    spotify_url: str = ""
    cover_url: str = ""
    duration_seconds: float = 0.0


@dataclass(frozen=True)
class BatchJob:
    """A job of a batch, in brief."""

    job_id: str
    track_id: str
    state: JobState
    progress_ratio: float
    error: JobError | None = None


@dataclass(frozen=True)
class Batch:
    """The jobs that a batch stands for.

    Attributes:
        job_ids: in the order of the request.
        planned: the jobs that may not be stored yet. The record of the batch holds them until all are.
        jobs: never stored; read together with the batch.
    """

    job_ids: list[str]
    planned: "list[Job]" = field(default_factory=list)
    total_count: int = 0
    completed_count: int = 0
    failed_count: int = 0
    cancelled_count: int = 0
    jobs: list[BatchJob] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """A durable unit of work. Times are seconds since 1970.

    Attributes:
        spec: parameters of the job; None if hidden from the caller.
        output_folder: files lie in ``<output_folder>/<attempt>/<id>/``, see :mod:`soundwright.kit.worker.outputs`; empty: the job
            stores no files.
        creates_track: the library stores the track with the job, without audio, and the job completes it.
        new_track: what is known about that track before.
        public_spec: whether the queue shows specification and progress to all callers.
        due_time: earliest start of a queued job. After it, the sweeper may publish its command again.
        track_create_time: creation time of the job's track. It identifies the track if a later one has the same ID.
        batch_id: the batch that the job belongs to; empty: none.
        batch: the jobs of a batch; None for all other kinds.
    """

    id: str
    kind: str
    owner_id: str
    track_id: str
    state: JobState
    priority: Priority
    spec: PackedMessage | None
    attempt_limit: int
    queue: str
    correlation_id: str
    create_time: float
    fingerprint: str
    idempotency_key: str | None = None
    network: str | None = (
        None  # the ID of the address from which an anonymous caller or a guest came; None: the owner is registered
    )
    creator_key: str | None = None  # see :func:`soundwright.services.library.access.owns`
    output_folder: str = ""
    creates_track: bool = False
    public_spec: bool = False
    affinity: str = ""  # jobs that share it use the same model, and are timed together for estimates
    work_seconds: float = 0.0  # amount of work in seconds of audio; 0: unknown
    attempt: int = 0
    progress_ratio: float = 0.0
    progress_message: str = ""
    stages: list[Stage] = field(default_factory=list)
    result: JobResult | None = None
    error: JobError | None = None
    external_task: ExternalTask | None = None
    cancel_requested: bool = False
    worker_id: str = ""
    lease_until: float | None = None
    due_time: float | None = None
    starve_time: float = 0.0  # from then on a queued job starts before jobs of higher priority
    command_id: str | None = None  # the command that started the latest attempt
    publication: int = 0
    stored_bytes: int | None = None  # files of the job, until they are deleted; None: none, or unknown yet
    results_pending: bool | None = None  # the results are not stored in track and catalog yet; None: not indexed
    webhooks_pending: bool | None = None  # the end is not recorded for webhooks yet; None: not indexed
    track_create_time: float | None = None
    traceparent: str = ""  # trace context of the request that created the job; empty: none
    new_track: NewTrack | None = None
    batch_id: str = ""
    batch: Batch | None = None
    start_time: float | None = None
    finish_time: float | None = None
    revision: int = 0

    def is_for_track(self, create_time: float) -> bool:
        """Return whether the job is for the track with its ``track_id`` that was created at ``create_time``.

        A deleted track may have had the same ID.
        """
        return self.track_create_time == create_time


def granted_priority(principal: Principal, requested: Priority | None) -> Priority:
    """Return the requested priority, limited to the highest priority of the caller's role."""
    limit = _HIGHEST_PRIORITY.get(principal.role, Priority.STANDARD)
    if requested is None or _RANK[requested] < _RANK[limit]:
        return limit
    return requested


@dataclass(frozen=True)
class Reservation:
    """The place of a job that is about to be stored. It counts until the job is stored, or until it expires."""

    job_id: str
    owner_id: str
    expire_time: float
    network: str | None = None


@dataclass(frozen=True)
class Admissions:
    """The reservations of a kind of jobs. Library processes change it by compare-and-set, one job at a time."""

    id: str  # the kind
    reservations: list[Reservation] = field(default_factory=list)
    revision: int = 0

"""Types of the response bodies of the soundbox dialect, which also define the schemas of the OpenAPI document."""

from typing import Annotated, Generic, Literal, NotRequired, TypeVar

from pydantic import Field, with_config
from typing_extensions import TypedDict

from soundwright.services.gateway.interpretation import Interpretation
from soundwright.services.gateway.openapi.responses import EXTRA_FIELDS, Percent

HexId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])]
NaiveTime = Annotated[str, Field(description="UTC, without a time zone.", examples=["2026-03-04T18:30:00"])]
SpacedTime = Annotated[str, Field(description="UTC, without a time zone.", examples=["2026-03-04 18:30:00"])]
Duration = Annotated[float, Field(ge=0, description="The duration in seconds.", examples=[20])]
Count = Annotated[int, Field(ge=0, examples=[12])]
_Prompt = Annotated[str, Field(examples=["slow cello over vinyl crackle"])]
_Model = Annotated[str | None, Field(examples=["music"])]
_UserId = Annotated[str | None, Field(examples=["user_xyz"])]
_Score = Annotated[int | None, Field(description="The quality, 0 to 100.", examples=[93])]
_AudioName = Annotated[str, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])]
_ImageName = Annotated[str | None, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])]
PriorityName = Literal["admin", "premium", "standard", "free"]
ClipStatus = Literal["queued", "processing", "completed", "failed"]
C = TypeVar("C")


@with_config(EXTRA_FIELDS)
class SoundboxError(TypedDict):
    """An error. Exceeded limits add their values."""

    error: Annotated[str, Field(description="The message.")]
    success: NotRequired[Literal[False]]
    message: NotRequired[Annotated[str, Field(description="The same as `error`.")]]
    retry_after: NotRequired[Annotated[float, Field(ge=0, description="Seconds to wait before the next attempt.")]]


class Done(TypedDict):
    """A successful result."""

    success: Literal[True]


class TierLimits(TypedDict):
    """The limits of a tier."""

    max_duration: Annotated[float, Field(description="The maximum duration of a clip in seconds.", examples=[60])]
    per_hour: Annotated[int, Field(description="The maximum number of clips per hour. 0: unlimited.", examples=[10])]


class Accepted(Done):
    """The jobs of a generation request."""

    job_id: HexId
    position: Annotated[
        int, Field(ge=0, description="The position in the queue, from 1. 0: running or ended.", examples=[1])
    ]
    job_ids: Annotated[list[HexId], Field(description="The ID of the job of each variation.")]
    queue_message: str | None
    tier: Annotated[str, Field(examples=["free"])]
    limits: TierLimits


class QualityDetails(TypedDict):
    """The result of the quality check."""

    score: _Score
    issues: Annotated[list[str], Field(examples=[[]])]
    is_good: Annotated[bool, Field(examples=[True])]


class ClipJob(TypedDict):
    """A generation job."""

    id: HexId
    status: Annotated[ClipStatus, Field(examples=["completed"])]
    progress: Annotated[str, Field(description="The progress as text.", examples=["Complete"])]
    progress_pct: Annotated[Percent, Field(examples=[100])]
    filename: Annotated[
        _AudioName | None,
        Field(description="Null until the job is completed, like `spectrogram`, `quality` and `quality_details`."),
    ]
    spectrogram: _ImageName
    quality: _Score
    quality_details: QualityDetails | None
    error: str | None
    position: Annotated[int, Field(ge=0, description="The position in the queue. 0: not queued.", examples=[0])]
    retry_count: Annotated[int, Field(ge=0, examples=[0])]
    estimated_wait: Annotated[float, Field(ge=0, description="The estimated wait in seconds.", examples=[0.0])]
    model: _Model
    seed: Annotated[int | None, Field(examples=[7])]
    engine: Annotated[str | None, Field(description="The engine that generated the clip.", examples=["procedural"])]
    engine_model: Annotated[str | None, Field(examples=["procedural"])]
    degraded: Annotated[bool, Field(description="Whether another model than the requested one was used.")]
    degraded_reason: str | None
    interpretation: Interpretation | None


class Gpu(TypedDict):
    """The GPU. Without one, only `available` is present."""

    available: Annotated[bool, Field(examples=[True])]
    name: NotRequired[Annotated[str, Field(examples=["NVIDIA H200"])]]
    busy: NotRequired[bool]
    memory_used_gb: NotRequired[Annotated[float, Field(examples=[4.2])]]
    memory_total_gb: NotRequired[Annotated[float, Field(examples=[139.8])]]
    memory_percent: NotRequired[Annotated[float, Field(examples=[3.0])]]


ModelStatus = Literal["pending", "loading", "ready", "error"]


class Status(TypedDict):
    """The state of each model, the GPU and the length of the queue."""

    models: Annotated[dict[str, ModelStatus], Field(examples=[{"music": "ready", "audio": "pending"}])]
    gpu: Gpu
    queue_length: Count
    estimated_wait: Annotated[float, Field(ge=0, description="The estimated wait in seconds.", examples=[31.5])]


class QueuedJob(TypedDict):
    """A running or queued job."""

    id: HexId
    status: Annotated[ClipStatus, Field(examples=["processing"])]
    prompt: Annotated[
        str, Field(description="The beginning of the prompt.", examples=["slow cello over vinyl crackle"])
    ]
    model: _Model
    priority: Annotated[PriorityName, Field(examples=["standard"])]
    position: Annotated[int, Field(ge=0, examples=[0])]


class QueueStatus(TypedDict):
    """Running and queued jobs in the order of creation. Running jobs have position 0."""

    queue_length: Annotated[int, Field(ge=0, examples=[1])]
    current_job: HexId | None
    jobs: list[QueuedJob]


class QueuedJobDetails(QueuedJob):
    """A running or queued job with details."""

    duration: Duration
    created: NaiveTime | None
    progress: Annotated[str, Field(examples=["Generating audio... 45%"])]
    progress_pct: Percent
    user_id: _UserId


class Queue(TypedDict):
    """Running and queued jobs with details."""

    jobs: list[QueuedJobDetails]
    current_job: HexId | None
    total: Annotated[int, Field(ge=0, examples=[1])]


class Clip(TypedDict):
    """A clip of the library."""

    id: HexId
    filename: _AudioName
    prompt: _Prompt
    model: Annotated[str, Field(examples=["music"])]
    duration: Duration
    is_loop: Annotated[int, Field(ge=0, le=1, examples=[0])]
    quality_score: _Score
    spectrogram: _ImageName
    upvotes: Count
    downvotes: Annotated[int, Field(ge=0, examples=[0])]
    category: Annotated[
        str | None, Field(description="The categories as a JSON array.", examples=['["strings", "lofi"]'])
    ]
    user_id: _UserId
    created_at: SpacedTime | None
    rating: Annotated[int | None, Field(description="The rating, 1 to 5 stars.", examples=[4])]
    play_count: Count
    unique_plays: Annotated[int, Field(ge=0, examples=[5])]
    seed: Annotated[int, Field(examples=[7])]
    engine: Annotated[str, Field(examples=["procedural"])]
    engine_model: Annotated[str, Field(examples=["procedural"])]
    degraded: bool
    continued_from: HexId | None
    interpretation: Interpretation | None


class PageNumbers(TypedDict):
    """The place of a page in a list."""

    total: Annotated[int, Field(ge=0, examples=[1])]
    page: Annotated[int, Field(ge=1, examples=[1])]
    pages: Annotated[int, Field(ge=0, examples=[1])]
    per_page: Annotated[int, Field(ge=1, examples=[20])]


class Paged(PageNumbers, Generic[C]):
    """A page of a list."""

    items: list[C]


class ClipPage(PageNumbers):
    """A page of the library."""

    items: list[Clip]
    id_search: NotRequired[
        Annotated[Literal[True], Field(description="Present if the search text is the ID of a clip.")]
    ]


class HistoryEntry(TypedDict):
    """A clip in the format of `GET /history`."""

    id: HexId
    filename: _AudioName
    prompt: _Prompt
    model: Annotated[str, Field(examples=["music"])]
    duration: Duration
    loop: bool
    rating: Annotated[int | None, Field(description="The rating, 1 to 5 stars.", examples=[4])]
    created: NaiveTime | None
    quality_score: _Score
    quality_issues: Annotated[list[str], Field(examples=[[]])]
    spectrogram: _ImageName
    user_id: _UserId


class Tracks(TypedDict):
    """Clips in the order of playback."""

    tracks: list[Clip]


class StationTracks(Tracks):
    """Clips in the order of playback, with their source."""

    source: Annotated[str, Field(examples=["top-rated"])]


class Playlist(TypedDict):
    """A playlist without its clips."""

    id: Annotated[str, Field(pattern="^pl_[0-9a-f]{12}$", examples=["pl_0123456789ab"])]
    name: Annotated[str, Field(examples=["Rainy days"])]
    description: Annotated[str, Field(examples=[""])]
    is_public: bool
    user_id: _UserId
    track_count: Annotated[int, Field(ge=0, examples=[1])]
    duration: Duration
    created_at: SpacedTime | None
    updated_at: SpacedTime | None

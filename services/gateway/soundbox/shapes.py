"""What answers of the soundbox dialect look like: types for those who write them, schemas for the published document."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, NotRequired, TypeVar

from pydantic import Field, with_config
from typing_extensions import TypedDict

from services.gateway.answers import OPEN, Percent

__all__ = [
    "Clip",
    "ClipJob",
    "ClipPage",
    "ClipStatus",
    "Done",
    "HexId",
    "HistoryEntry",
    "Paged",
    "Playlist",
    "PriorityWord",
    "SoundboxError",
    "SpacedTime",
    "StationTracks",
    "Tracks",
]

HexId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714"])]
NaiveTime = Annotated[str, Field(description="UTC, without a zone", examples=["2026-03-04T18:30:00"])]
SpacedTime = Annotated[str, Field(description="UTC, without a zone", examples=["2026-03-04 18:30:00"])]
Duration = Annotated[float, Field(ge=0, description="seconds", examples=[20])]
Count = Annotated[int, Field(ge=0, examples=[12])]
_Prompt = Annotated[str, Field(examples=["slow cello over vinyl crackle"])]
_Model = Annotated[str | None, Field(examples=["music"])]
_UserId = Annotated[str | None, Field(examples=["user_xyz"])]
_Score = Annotated[int | None, Field(description="0 to 100", examples=[93])]
_AudioName = Annotated[str, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.wav"])]
_PictureName = Annotated[str | None, Field(examples=["7f0c2a9e41d84b6fb1a35d90c2e8f714.png"])]
PriorityWord = Literal["admin", "premium", "standard", "free"]
ClipStatus = Literal["queued", "processing", "completed", "failed"]
C = TypeVar("C")


@with_config(OPEN)
class SoundboxError(TypedDict):
    """Why a request was refused, and figures that belong to it."""

    error: Annotated[str, Field(description="for people")]
    success: NotRequired[Literal[False]]
    message: NotRequired[Annotated[str, Field(description="the same as `error`")]]
    retry_after: NotRequired[Annotated[float, Field(ge=0, description="seconds")]]


class Done(TypedDict):
    success: Literal[True]


class TierLimits(TypedDict):
    max_duration: Annotated[float, Field(description="seconds", examples=[60])]
    per_hour: Annotated[int, Field(description="clips; 0: as many as you like", examples=[10])]


class Accepted(Done):
    """Clips that were asked for."""

    job_id: HexId
    position: Annotated[int, Field(ge=0, description="in the queue, from 1; 0: at work, or over", examples=[1])]
    job_ids: Annotated[list[HexId], Field(description="one for each variation")]
    queue_message: Annotated[str | None, Field(examples=[None])]
    tier: Annotated[str, Field(examples=["free"])]
    limits: TierLimits


class QualityDetails(TypedDict):
    score: _Score
    issues: Annotated[list[str], Field(examples=[[]])]
    is_good: Annotated[bool, Field(examples=[True])]


class ClipJob(TypedDict):
    """How a clip is coming along."""

    id: HexId
    status: Annotated[ClipStatus, Field(examples=["completed"])]
    progress: Annotated[str, Field(description="for people", examples=["Complete"])]
    progress_pct: Annotated[Percent, Field(examples=[100])]
    filename: Annotated[_AudioName | None, Field(description="null until it is completed, like what follows")]
    spectrogram: _PictureName
    quality: _Score
    quality_details: QualityDetails | None
    error: Annotated[str | None, Field(examples=[None])]
    position: Annotated[int, Field(ge=0, description="in the queue; 0: none", examples=[0])]
    retry_count: Annotated[int, Field(ge=0, examples=[0])]
    estimated_wait: Annotated[float, Field(ge=0, description="seconds", examples=[0.0])]
    model: _Model
    seed: Annotated[int | None, Field(examples=[7])]
    engine: Annotated[str | None, Field(description="what made it", examples=["procedural"])]
    engine_model: Annotated[str | None, Field(examples=["procedural"])]
    degraded: Annotated[bool, Field(description="another model was asked for")]
    degraded_reason: Annotated[str | None, Field(examples=[None])]


class Gpu(TypedDict):
    available: Annotated[bool, Field(examples=[True])]
    name: NotRequired[Annotated[str, Field(examples=["NVIDIA H200"])]]
    busy: NotRequired[bool]
    memory_used_gb: NotRequired[Annotated[float, Field(examples=[4.2])]]
    memory_total_gb: NotRequired[Annotated[float, Field(examples=[139.8])]]
    memory_percent: NotRequired[Annotated[float, Field(examples=[3.0])]]


ModelStatus = Literal["pending", "loading", "ready", "error"]


class Status(TypedDict):
    """Which models are ready, the GPU, and how long the queue is."""

    models: Annotated[dict[str, ModelStatus], Field(examples=[{"music": "ready", "audio": "pending"}])]
    gpu: Gpu
    queue_length: Count
    estimated_wait: Annotated[float, Field(ge=0, description="seconds", examples=[31.5])]


class QueuedJob(TypedDict):
    id: HexId
    status: Annotated[ClipStatus, Field(examples=["processing"])]
    prompt: Annotated[str, Field(description="its beginning", examples=["slow cello over vinyl crackle"])]
    model: _Model
    priority: Annotated[PriorityWord, Field(examples=["standard"])]
    position: Annotated[int, Field(ge=0, examples=[0])]


class QueueStatus(TypedDict):
    """Jobs that are at work (position 0) or wait, in the order in which they came."""

    queue_length: Annotated[int, Field(ge=0, examples=[1])]
    current_job: HexId | None
    jobs: list[QueuedJob]


class ExploredJob(QueuedJob):
    duration: Duration
    created: NaiveTime | None
    progress: Annotated[str, Field(examples=["Generating audio... 45%"])]
    progress_pct: Percent
    user_id: _UserId


class Queue(TypedDict):
    """All that is known about what waits and is at work."""

    jobs: list[ExploredJob]
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
    spectrogram: _PictureName
    upvotes: Count
    downvotes: Annotated[int, Field(ge=0, examples=[0])]
    category: Annotated[str | None, Field(description="a list in JSON", examples=['["strings", "lofi"]'])]
    user_id: _UserId
    created_at: SpacedTime | None
    rating: Annotated[int | None, Field(description="1 to 5", examples=[4])]
    play_count: Count
    unique_plays: Annotated[int, Field(ge=0, examples=[5])]
    seed: Annotated[int, Field(examples=[7])]
    engine: Annotated[str, Field(examples=["procedural"])]
    engine_model: Annotated[str, Field(examples=["procedural"])]
    degraded: bool
    continued_from: Annotated[HexId | None, Field(examples=[None])]


class Paged(TypedDict, Generic[C]):
    items: list[C]
    total: Annotated[int, Field(ge=0, examples=[1])]
    page: Annotated[int, Field(ge=1, examples=[1])]
    pages: Annotated[int, Field(ge=0, examples=[1])]
    per_page: Annotated[int, Field(ge=1, examples=[20])]


class ClipPage(Paged[Clip]):
    """A page of the library."""

    id_search: NotRequired[Annotated[Literal[True], Field(description="what was searched for is the id of a clip")]]


class HistoryEntry(TypedDict):
    """A clip under the names of an older list."""

    id: HexId
    filename: _AudioName
    prompt: _Prompt
    model: Annotated[str, Field(examples=["music"])]
    duration: Duration
    loop: bool
    rating: Annotated[int | None, Field(description="1 to 5", examples=[4])]
    created: NaiveTime | None
    quality_score: _Score
    quality_issues: Annotated[list[str], Field(examples=[[]])]
    spectrogram: _PictureName
    user_id: _UserId


class Tracks(TypedDict):
    """What to play, in this order."""

    tracks: list[Clip]


class StationTracks(Tracks):
    """The same, and where it comes from."""

    source: Annotated[str, Field(examples=["top-rated"])]


class Playlist(TypedDict):
    """A playlist, without its clips."""

    id: Annotated[str, Field(pattern="^pl_[0-9a-f]{12}$", examples=["pl_0123456789ab"])]
    name: Annotated[str, Field(examples=["Rainy days"])]
    description: Annotated[str, Field(examples=[""])]
    is_public: bool
    user_id: _UserId
    track_count: Annotated[int, Field(ge=0, examples=[1])]
    duration: Duration
    created_at: SpacedTime | None
    updated_at: SpacedTime | None

"""What the catalog stores, and what selects it."""

import dataclasses
from dataclasses import dataclass, field
from enum import StrEnum

from soundwright.kit.security.identity import Principal
from soundwright.services.library.access import owns
from soundwright.services.library.catalog import categories
from soundwright.services.library.jobs.service import Interpretation

FAMILIES = tuple(categories.CATEGORIES)


@dataclass(frozen=True)
class Clip:
    """A clip that was generated from a prompt. Its ID is the ID of the job that generated it.

    The library sets the fields after ``create_time``; values from a worker are ignored.
    """

    id: str
    owner_id: str
    prompt: str
    model: str  # the requested model: music, audio, magnet-music, magnet-audio
    duration_seconds: float
    is_loop: bool = False
    seed: int = 0
    quality_score: int | None = None  # 0 to 100; None: not measurable
    quality_issues: list[str] = field(default_factory=list)
    quality_accepted: bool = True
    retry_count: int = 0
    engine: str = ""
    engine_model: str = ""
    degraded: bool = False
    sample_rate_hz: int = 0
    channel_count: int = 0
    audio_blob_key: str = ""
    spectrogram_blob_key: str = ""  # empty: no spectrogram
    audio_size_bytes: int = 0
    continued_from_id: str = ""
    interpretation: Interpretation | None = None
    priority: str = ""
    create_time: float = 0.0
    categories: list[str] = field(default_factory=list)  # best first
    upvote_count: int = 0
    downvote_count: int = 0
    rating: int | None = None  # 1 to 5
    play_count: int = 0
    listener_count: int = 0
    tag_rounds: dict[str, int] = field(
        default_factory=dict
    )  # by category: number of times that listeners have added or removed it
    recounts: dict[str, int] = field(default_factory=dict)  # by name of a count: number of recounts
    creator_key: str | None = None  # see :func:`soundwright.services.library.access.owns`
    revision: int = 0

    @property
    def family(self) -> str:
        return categories.family(self.model)


class ClipSort(StrEnum):
    """Sort orders, highest first. Clips with equal values are sorted newest first."""

    RECENT = "recent"
    POPULAR = "popular"  # most votes, up and down
    RATING = "rating"  # most up-votes above down-votes


@dataclass(frozen=True)
class ClipFilter:
    """Conditions that a clip must meet, all of them. Empty values are no conditions.

    Attributes:
        model: a model, or a family: ``music`` includes ``magnet-music``, and ``audio`` includes ``magnet-audio``.
        search_prefix: the last word of the search also matches the beginning of a word.
    """

    model: str = ""
    search: str = ""
    search_prefix: bool = False
    category: str = ""
    owner_id: str = ""
    min_create_time: float | None = None
    min_duration_seconds: float = 0.0
    max_duration_seconds: float = 0.0
    voted_only: bool = False


@dataclass(frozen=True)
class Deletion:
    """The record of a deleted clip. While it is pending, files or documents of the clip may still exist."""

    id: str
    owner_id: str
    blob_keys: list[str]
    delete_time: float
    creator_key: str | None = None
    pending: bool | None = True  # None keeps it out of the index
    revision: int = 0


@dataclass(frozen=True)
class Entry:
    """A clip in a playlist. ``add_time`` is in seconds since 1970."""

    clip_id: str
    duration_seconds: float
    add_time: float


@dataclass(frozen=True)
class Playlist:
    """A playlist. Times are seconds since 1970.

    Attributes:
        creator_key: see :func:`soundwright.services.library.access.owns`.
        slot: its place among the playlists of its owner, which limits their number.
        network: the ID of the address of an owner without a registered account; None: the owner has one.
    """

    id: str
    owner_id: str
    name: str
    description: str
    is_public: bool
    create_time: float
    update_time: float
    entries: list[Entry] = field(default_factory=list)
    creator_key: str | None = None
    slot: int | None = None
    network: str | None = None
    revision: int = 0

    def is_visible_to(self, principal: Principal) -> bool:
        """Whether the caller may read it."""
        return self.is_public or owns(principal, self.owner_id, self.creator_key)

    @property
    def generation_count(self) -> int:
        return len(self.entries)

    @property
    def duration_seconds(self) -> float:
        return sum(entry.duration_seconds for entry in self.entries)

    def has(self, clip_id: str) -> bool:
        return any(entry.clip_id == clip_id for entry in self.entries)

    def without(self, clip_id: str) -> "Playlist":
        remaining = [entry for entry in self.entries if entry.clip_id != clip_id]
        return dataclasses.replace(self, entries=remaining)


def listener_key(clip_id: str, listener_id: str) -> str:
    """Return the ID of a listener's document about a clip, such as a vote. There is one of a kind."""
    return f"{clip_id}/{listener_id}"


@dataclass(frozen=True)
class Favorite:
    """A favorite. ``family`` and ``model`` are those of the clip. ``add_time`` is in seconds since 1970."""

    clip_id: str
    listener_id: str
    family: str
    model: str
    add_time: float
    revision: int = 0

    @property
    def id(self) -> str:
        return listener_key(self.clip_id, self.listener_id)


@dataclass(frozen=True)
class TagSuggestion:
    """A suggestion of a listener.

    Attributes:
        round: the number of earlier decisions on this category of the clip.
        remove: suggests to remove the category instead of adding it.
        suggest_time: seconds since 1970.
        network: the ID of the address of a listener without a registered account; None: the listener has one.
    """

    clip_id: str
    category: str
    round: int
    remove: bool
    listener_id: str
    suggest_time: float
    network: str | None = None
    revision: int = 0

    @property
    def id(self) -> str:
        return f"{self.clip_id}/{self.category}/{self.round}/{self.listener_id}"


@dataclass(frozen=True)
class VoteTotals:
    """``feedbacks`` counts the votes with reasons, notes or a suggested model."""

    votes: int
    favorites: int
    feedbacks: int


@dataclass(frozen=True)
class Vote:
    """The vote of a listener on a clip, with feedback.

    Attributes:
        vote: 1 for an upvote, -1 for a downvote.
        vote_time: seconds since 1970.
        network: the ID of the address of a listener without a registered account; None: the listener has one.
        notes: a private note for the operator. The API never returns it.
    """

    clip_id: str
    listener_id: str
    vote: int
    vote_time: float
    feedback_reasons: list[str] = field(default_factory=list)
    notes: str = ""
    suggested_model: str = ""
    network: str | None = None
    revision: int = 0

    @property
    def id(self) -> str:
        return listener_key(self.clip_id, self.listener_id)

    @property
    def has_feedback(self) -> bool:
        return bool(self.feedback_reasons or self.notes or self.suggested_model)


@dataclass(frozen=True)
class Play:
    """A play. ``hour`` counts from 1970, ``play_time`` is in seconds since 1970."""

    id: str
    clip_id: str
    listener_id: str
    source: str
    hour: int
    play_time: float
    revision: int = 0

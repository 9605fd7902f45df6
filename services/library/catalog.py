"""The catalog of generated clips: what it knows of a clip, and who may do what with it.

All clips are public to whoever may call. What listeners say about a clip lies in documents of its own (votes,
favorites, suggestions, plays); what the clip itself shows of that, its counts and categories, is worked out anew from
those documents with each change and stored by compare-and-set, so that a crash in between is made good by the next
change and no change is ever lost to another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Generation"]


@dataclass(frozen=True)
class Generation:
    """A clip that was generated from words. It has the id of the job that made it.

    What follows ``priority`` is the library's to fill in; ``file_generation`` overrules whatever a worker sent.
    """

    id: str
    owner_id: str
    prompt: str
    model: str  # as asked for: music, audio, magnet-music, magnet-audio
    duration_seconds: float
    is_loop: bool = False
    seed: int = 0
    quality_score: int | None = None  # 0 to 100; None: could not be measured
    quality_issues: list[str] = field(default_factory=list)
    quality_accepted: bool = True
    retry_count: int = 0
    engine: str = ""
    engine_model: str = ""
    degraded: bool = False
    sample_rate_hz: int = 0
    channel_count: int = 0
    audio_blob_key: str = ""
    spectrogram_blob_key: str = ""  # empty: none was made
    audio_size_bytes: int = 0
    continued_from_id: str = ""
    priority: str = ""
    create_time: float = 0.0
    categories: list[str] = field(default_factory=list)  # best first
    upvote_count: int = 0
    downvote_count: int = 0
    rating: int | None = None  # 1 to 5
    play_count: int = 0
    listener_count: int = 0
    revision: int = 0

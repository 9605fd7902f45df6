"""What is stored about tracks, and what selects them."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum

from soundwright.services.library.jobs.service import AudioOutput, JobError, JobState


@dataclass(frozen=True)
class PendingDownload:
    """The download of a track that has no audio.

    Attributes:
        error: why the download failed or was cancelled; None while it is in progress.
    """

    job_id: str
    state: JobState
    progress_ratio: float = 0.0
    error: JobError | None = None


@dataclass(frozen=True)
class ChordCorrection:
    """The chord of a part of a track. Its label is what musicians write."""

    start_seconds: float
    end_seconds: float
    label: str


@dataclass(frozen=True)
class Corrections:
    """What the owner of a track has corrected in its analysis. Later analyses keep it.

    Attributes:
        bar_one_seconds: bar 1 begins at the nearest beat; None: where it is detected.
        lyrics: LRC or plain text, instead of the detected lyrics; None: as detected.
    """

    bar_one_seconds: float | None = None
    chords: list[ChordCorrection] = field(default_factory=list)
    lyrics: str | None = None


@dataclass(frozen=True)
class Track:
    """A recording in a user's library."""

    id: str
    owner_id: str
    title: str
    artist: str
    album: str
    source: str
    filename: str = ""
    blob_key: str = ""  # empty: the track has no audio yet
    content_type: str = ""
    content_sha256: str = ""
    size_bytes: int = 0
    container: str = ""
    codec: str = ""
    sample_rate_hz: int = 0
    channel_count: int = 0
    frame_count: int = 0
    duration_seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)
    level: list[float] = field(
        default_factory=list
    )  # see :class:`soundwright.kit.audio.level.Level`; empty: not measured
    spotify_id: str = ""
    spotify_url: str = ""
    cover_url: str = ""
    cover_blob_key: str = ""  # empty: no cover is stored
    bpm: float | None = None
    key: str = ""
    tags: list[str] = field(default_factory=list)
    corrections: Corrections | None = None
    edited_fields: list[str] = field(default_factory=list)  # fields that the owner has set or cleared
    stem_count: int = 0  # of the latest finished separation
    analyzed: bool = False
    download_job_id: str = ""  # the latest download job; empty: the track was uploaded
    pending_download: PendingDownload | None = None  # read from the job, never stored
    create_time: float = 0.0
    update_time: float = 0.0
    network: str | None = None  # the ID of the address of an owner without a registered account
    creator_key: str | None = None  # see :func:`soundwright.services.library.access.owns`
    revision: int = 0


@dataclass(frozen=True)
class StemSet:
    """The latest stems of a track, in the order in which they are listed.

    Attributes:
        track_create_time: creation time of the track. It identifies the track if a later one has the same ID.
        create_time: end of the separation job.
        mix: the recording itself, with the sample rate and length of the stems, or None.
    """

    track_id: str
    job_id: str
    track_create_time: float
    create_time: float
    stems: list[AudioOutput]
    mix: AudioOutput | None = None


class TrackStatus(StrEnum):
    """Filters of tracks by their contents. Several may match one track."""

    PENDING = "pending"  # no audio: the download is in progress, failed or was cancelled
    DOWNLOADED = "downloaded"  # has audio
    PROCESSED = "processed"  # has stems
    ANALYZED = "analyzed"  # has an analysis


class TrackSort(StrEnum):
    CREATE_TIME = "create_time"
    TITLE = "title"
    ARTIST = "artist"
    DURATION = "duration"

    @property
    def descending(self) -> bool:
        """The default direction: newest and longest first, names from A to Z."""
        return self in (TrackSort.CREATE_TIME, TrackSort.DURATION)


@dataclass(frozen=True)
class TrackFilter:
    """Conditions that a track must meet, all of them. Empty values are no conditions.

    Attributes:
        search: prefixes of words in title, artist, album and tags, ignoring case and diacritics. A track must have all
            of them. A text without letters and digits matches nothing.
        artist, album, tag: the complete name, ignoring case and diacritics.
        titles_in: a text in which the complete title occurs, likewise.
    """

    owner_id: str
    creator_key: str | None = None
    search: str = ""
    status: TrackStatus | None = None
    artist: str = ""
    album: str = ""
    tag: str = ""
    source: str = ""
    key: str = ""
    min_bpm: float | None = None
    max_bpm: float | None = None
    titles_in: str = ""


@dataclass(frozen=True)
class TrackDeletion:
    """The record of a deleted track, whose files and documents may still exist."""

    id: str
    track_id: str
    owner_id: str
    blob_key: str
    track_create_time: float
    delete_time: float
    cover_blob_key: str = ""
    revision: int = 0


@dataclass(frozen=True)
class TrackLink:
    """A link to a track. ``id`` is the hash of the secret in its address.

    Attributes:
        owner_epoch: the epoch of its owner's API tokens when it was created. It ends when all of them are revoked.
        api_token_id: the API token that created it, and with which it ends; empty: a session did.
        slot: its place among the links of the track, which limits their number.
    """

    id: str
    track_id: str
    owner_id: str
    create_time: float
    expire_time: float
    owner_epoch: int | None = 0
    api_token_id: str = ""
    slot: int = 0
    revision: int = 0

    @property
    def public_id(self) -> str:
        """The ID in the API. It does not reveal the hash."""
        return str(uuid.UUID(self.id[:32]))


@dataclass(frozen=True)
class Setlist:
    """A setlist. A track can be in it several times, and may have been deleted.

    Attributes:
        slot: its place among the setlists of its owner, which limits their number.
    """

    id: str
    owner_id: str
    name: str
    create_time: float
    update_time: float
    track_ids: list[str] = field(default_factory=list)
    slot: int = 0
    revision: int = 0

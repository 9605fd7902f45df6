"""What becomes of uploads and downloads: the rules, free of I/O libraries."""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from kit.errors import AppError, Code
from services.ingest.songs import Song

__all__ = [
    "CONTENT_TYPES",
    "QUALITIES",
    "DownloadSpec",
    "attempt_key",
    "clean_filename",
    "new_upload_id",
    "parse_quality",
    "require_container",
    "staging_key",
    "title_of",
    "track_key",
]

CONTENT_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
}
QUALITIES: dict[str, int | None] = {"lossless": None, "high": 320, "medium": 192, "low": 128}
"""Quality to kbit/s of MP3; None: FLAC."""

_DEFAULT_QUALITY = "high"
_NAME_LIMIT = 200
_LINE_BREAKS = ("Zl", "Zp")
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class DownloadSpec:
    """What a download job is to bring: a song of Spotify's catalog, or what lies at an address.

    Attributes:
        track_id: of the track that it becomes.
        quality: a key of :data:`QUALITIES`.
        url: of the recording itself; for a song, which has to be searched for, its page.
    """

    track_id: str
    quality: str
    url: str
    song: Song | None = None

    @property
    def mp3_kbits(self) -> int | None:
        return QUALITIES[self.quality]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> DownloadSpec:
        values = json.loads(text)
        song = values.pop("song")
        return DownloadSpec(**values, song=Song(**{**song, "artists": tuple(song["artists"])}) if song else None)


def parse_quality(name: str) -> str:
    """
    Raises:
        AppError: ``VALIDATION_ERROR`` for a quality that there is not; an empty one is the default.
    """
    quality = name.strip().lower() or _DEFAULT_QUALITY
    if quality not in QUALITIES:
        raise AppError(
            Code.UNPROCESSABLE,
            "VALIDATION_ERROR",
            f"There is no quality {name[:40]!r}.",
            {"details": {"quality": [f"must be one of: {', '.join(QUALITIES)}"]}},
        )
    return quality


def new_upload_id() -> str:
    """An upload's id, which becomes the track's."""
    return str(uuid.uuid4())


def staging_key(upload_id: str) -> str:
    """Where an upload lies until it is finished."""
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise AppError(Code.NOT_FOUND, "UPLOAD_NOT_FOUND", "There is no such upload. Start it again.")
    return f"uploads/{upload_id}"


def track_key(track_id: str, container: str) -> str:
    return f"tracks/{track_id}/original.{container}"


def attempt_key(track_id: str, job_id: str, attempt: int, container: str) -> str:
    """Where one attempt of a download puts its file: two attempts, or two jobs for one track, never meet."""
    return f"tracks/{track_id}/{job_id}/{attempt}/original.{container}"


def clean_filename(name: str) -> str:
    """A client's file name as one harmless line: its last part, no control characters, at most 200 characters."""
    visible = "".join(
        c for c in name if unicodedata.category(c) not in _LINE_BREAKS and unicodedata.category(c)[0] != "C"
    )
    last = _trimmed(re.split(r"[/\\]", unicodedata.normalize("NFC", visible))[-1])
    if len(last) > _NAME_LIMIT:
        stem, dot, extension = last.rpartition(".")
        if dot and len(extension) <= 10:
            last = stem[: _NAME_LIMIT - len(extension) - 1] + dot + extension
        else:
            last = _trimmed(last[:_NAME_LIMIT])
    return last or "untitled"


def _trimmed(name: str) -> str:
    return re.sub(r"^[\s.]+|[\s.]+$", "", name)


def title_of(filename: str) -> str:
    """A title for a recording that has none."""
    stem = filename.rpartition(".")[0] if "." in filename else filename
    return stem.replace("_", " ").strip() or "untitled"


def require_container(container: str, allowed: Sequence[str]) -> None:
    """Refuse a format that this way in does not take."""
    if allowed and container not in allowed:
        raise AppError(
            Code.UNPROCESSABLE,
            "AUDIO_FORMAT_NOT_ALLOWED",
            f"The file's content is {container}, which is not accepted here. Use one of: {', '.join(allowed)}.",
        )

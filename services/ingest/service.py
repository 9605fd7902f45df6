"""Rules of uploads and downloads, without I/O."""

import re
import unicodedata
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from soundwright.kit import errors
from soundwright.kit.text import one_line
from soundwright.services.ingest.songs import Song, track_id_of

_EXTENSIONS = {
    "aac", "aif", "aifc", "aiff", "alac", "ape", "au", "caf", "flac", "m4a", "m4b", "mka", "mkv", "mov", "mp2", "mp3", "mp4", "mpga",
    "oga", "ogg", "opus", "rf64", "snd", "w64", "wav", "wave", "webm", "wma",
}  # fmt: skip
QUALITIES: dict[str, int | None] = {"lossless": None, "high": 320, "medium": 192, "low": 128}
"""Quality to kbit/s of MP3; None: FLAC."""

_DEFAULT_QUALITY = "high"
_PATH_LIMIT = 20_000
_NAME_LIMIT = 200
_PART_BYTES = 16 << 20
_PART_COUNT_LIMIT = 10_000
_LINE_BREAKS = ("Zl", "Zp")
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class DownloadSpec:
    """Parameters of a download job: a song of Spotify's catalog, or the URL of a recording.

    Attributes:
        quality: a key of :data:`QUALITIES`.
        url: URL of the recording. For a song, which is searched by artist and title, the URL of its Spotify page.
    """

    track_id: str
    quality: str
    url: str
    song: Song | None = None

    @property
    def mp3_kbits(self) -> int | None:
        return QUALITIES[self.quality]

    @property
    def title(self) -> str:
        """The title as far as it is known before the download: from the catalog, else from the address."""
        return self.song.title if self.song else title_of_address(self.url)


def parse_quality(name: str) -> str:
    """Validate a quality. An empty name means the default. Raises ``VALIDATION_ERROR`` for an unknown quality."""
    quality = name.strip().lower() or _DEFAULT_QUALITY
    errors.require_known("quality", quality, QUALITIES)
    return quality


def new_upload_id() -> str:
    """Return a new upload ID. It becomes the ID of the track."""
    return str(uuid.uuid4())


def staging_key(upload_id: str) -> str:
    if not _UPLOAD_ID.fullmatch(upload_id):
        raise errors.UPLOAD_NOT_FOUND()
    return f"uploads/{upload_id}"


def part_size(size_bytes: int) -> int:
    """Return the size of the parts of an upload: 16 MiB, or more for files that would have more than 10,000 parts."""
    return max(_PART_BYTES, -(-size_bytes // _PART_COUNT_LIMIT))


def track_folder(track_id: str) -> str:
    return f"tracks/{track_id}"


def upload_track_id(upload_id: str, owner_id: str, idempotency_key: str) -> str:
    """Return the ID of the track of an upload. Uploads of an owner with the same idempotency key have the same one."""
    return track_id_of(owner_id, f"upload:{idempotency_key}") if idempotency_key else upload_id


def upload_folder(track_id: str, upload_id: str) -> str:
    """Return the folder of an upload. No two uploads share one."""
    return f"{track_folder(track_id)}/{upload_id}/"


def upload_key(track_id: str, upload_id: str, container: str) -> str:
    return f"{upload_folder(track_id, upload_id)}original.{container}"


def is_recording(key: str) -> bool:
    """Return whether a key in the folder of an upload is that of its file, and not of what was derived from it."""
    return re.fullmatch(r".*/original\.[a-z0-9]+", key) is not None


def uploaded_cover_key(track_id: str, upload_id: str) -> str:
    return f"{upload_folder(track_id, upload_id)}cover.jpg"


def attempt_key(track_id: str, job_id: str, attempt: int, container: str) -> str:
    """Return the key of the file that one attempt at a download stores. No two attempts or jobs share a key."""
    return f"{track_folder(track_id)}/{attempt}/{job_id}/original.{container}"


def clean_filename(name: str) -> str:
    """Return the last part of a client's file name, without control characters, at most 200 characters long."""
    visible = "".join(
        c
        for c in name[-_PATH_LIMIT:]
        if unicodedata.category(c) not in _LINE_BREAKS and unicodedata.category(c)[0] != "C"
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
    """Return a title for a recording without a title tag: the name without the extension of a known format."""
    stem, _, extension = filename.rpartition(".")
    stem = stem if extension.lower() in _EXTENSIONS else filename
    return stem.replace("_", " ").strip() or "untitled"


def title_of_address(url: str) -> str:
    """Return a title for a recording of which only the address is known: its file name, else host and path."""
    parts = urlsplit(url)
    last = unquote(parts.path).rpartition("/")[2]
    if "." in last:
        return title_of(clean_filename(last))
    return one_line(f"{parts.hostname}{unquote(parts.path)}".rstrip("/"))


def require_container(container: str, allowed: Sequence[str]) -> None:
    """Check the format of a file.

    Raises ``AppError``: the format is not one of ``allowed``.
    """
    if allowed and container not in allowed:
        raise errors.AUDIO_FORMAT_NOT_ALLOWED(container=container, allowed=", ".join(allowed))

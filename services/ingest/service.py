"""What becomes of an upload: the rules, free of I/O libraries."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Sequence

from kit.errors import AppError, Code

__all__ = [
    "CONTENT_TYPES",
    "clean_filename",
    "new_upload_id",
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
_NAME_LIMIT = 200
_LINE_BREAKS = ("Zl", "Zp")
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


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

"""Names, extensions and media types of files."""

import re

_LIMIT_CHARS = 100
_LIMIT_BYTES = 150  # in UTF-8: file systems allow 255 with all that follows a title
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)
_CONTENT_TYPES = {
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "au": "audio/basic",
    "caf": "audio/x-caf",
    "matroska": "audio/webm",
}


def encoding_extension(encoding: str) -> str:
    """Return the file extension of an encoding of :mod:`soundwright.kit.audio`: "wav" for "wav24"."""
    return next((extension for extension in ("flac", "wav") if encoding.startswith(extension)), encoding)


def content_type(kind: str) -> str:
    """Return the media type of audio files with an extension, or of a container that :func:`soundwright.kit.audio.sniff` names."""
    return _CONTENT_TYPES.get(kind, f"audio/{kind}")


def extension_of(media_type: str) -> str:
    """Return the file extension of a media type that :func:`content_type` returns for an encoding."""
    return next((kind for kind, known in _CONTENT_TYPES.items() if known == media_type), media_type.partition("/")[2])


def safe_title(title: str) -> str:
    """Return ``title`` for use in a filename: at most 100 word characters, spaces, ``-`` and ``.``, and no device of Windows."""
    kept = "".join(c for c in title if c.isalnum() or c in " _-.").strip()[:_LIMIT_CHARS]
    kept = kept.encode()[:_LIMIT_BYTES].decode(errors="ignore").strip(" .")
    return f"_{kept}" if _DEVICE.match(kept) else kept or "track"


def file_title(title: str, part: str, bpm: float | None, key: str) -> str:
    """Return the name of a part of a song without its extension: ``Blue Hour - vocals - 120 bpm - A minor``.

    Args:
        bpm, key: those of the song; None and empty if they are not known.
    """
    facts = (safe_title(title), part, f"{bpm:.0f} bpm" if bpm else "", key)
    return " - ".join(filter(None, facts))

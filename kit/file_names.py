"""Names of downloaded files."""

from __future__ import annotations

_LIMIT_CHARS = 100


def safe_title(title: str) -> str:
    """Return ``title`` for use in a filename: at most 100 word characters, spaces, ``-`` and ``.``."""
    kept = "".join(c for c in title if c.isalnum() or c in " _-.").strip()[:_LIMIT_CHARS].strip(" .")
    return kept or "track"


def file_title(title: str, part: str, bpm: float | None, key: str) -> str:
    """Return the name of a part of a song without its extension: ``Blue Hour - vocals - 120 bpm - A minor``.

    Args:
        bpm, key: those of the song; None and empty if they are not known.
    """
    facts = (safe_title(title), part, f"{bpm:.0f} bpm" if bpm else "", key)
    return " - ".join(filter(None, facts))

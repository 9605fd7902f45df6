"""Text from outside."""

from __future__ import annotations

_JOINERS = "\u200c\u200d"  # some scripts and emoji need them
_LINE_LIMIT_CHARS = 500


def one_line(text: str) -> str:
    """Return an external text as one line of printable characters with a limited length."""
    line = " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())
    return line[:_LINE_LIMIT_CHARS]

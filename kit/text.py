"""Text from outside, and text for people."""

_JOINERS = "\u200c\u200d"  # some scripts and emoji need them
_LINE_LIMIT_CHARS = 500


def one_line(text: str) -> str:
    """Return an external text as one line of printable characters with a limited length."""
    line = " ".join("".join(c if c.isprintable() or c in _JOINERS else " " for c in text).split())
    return line[:_LINE_LIMIT_CHARS]


def size_text(byte_count: float) -> str:
    """Return a size for people, for example "1.5 GB"."""
    size, unit = float(byte_count), "bytes"
    for larger in ("KB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{float(f'{size:.3g}'):g} {unit}"

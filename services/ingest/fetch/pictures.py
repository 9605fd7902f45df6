"""Knows pictures by their content."""


def picture_type(data: bytes) -> str:
    """Return the media type of a JPEG, PNG or WebP picture by its first bytes, or an empty string for other data."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else ""

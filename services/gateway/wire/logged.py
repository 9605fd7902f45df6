"""Texts for the log."""

import re

_SECRET = re.compile(
    r"(/(?:shared|log[-_]in|confirm|confirm-email)/+)[^/\s]+"
    r"|(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"  # where no path of this server has one
)


def without_secrets(text: str) -> str:
    """Return a path, or a text with addresses, without the secrets of links."""
    return _SECRET.sub(lambda found: f"{found[1] or ''}[secret]", text)
